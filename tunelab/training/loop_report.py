"""What a loop yields, as numbers by name."""

from collections.abc import Mapping
from typing import Any

from tunelab.errors import ExperimentError, suggestion
from tunelab.trial import OBJECTIVE


def metrics_of(given: Any, objective: str, number: int) -> dict[str, float]:
    """Return the metrics of a loop's report.

    Args:
        given: what it yielded: a mapping of names to whatever `float` takes, 0-d arrays and tensors among them.
        objective: the metric that must be in it.
        number: which report it is, from 1.

    Raises:
        ExperimentError: no mapping, a name that is no text, a value that is no number, or no objective.

    >>> import numpy as np
    >>> metrics_of({"val_loss": np.float32(0.5), "epoch": 3}, "val_loss", 1)
    {'val_loss': 0.5, 'epoch': 3.0}
    """
    if not isinstance(given, Mapping):
        raise ExperimentError(
            f"a report maps names to numbers, as in yield {{{objective!r}: 0.5}}; report {number} was {_said(given)}"
        )
    metrics = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.strip() or name == OBJECTIVE:
            why = "MLflow calls a trial's value so" if name == OBJECTIVE else "a metric's name is text"
            raise ExperimentError(f"report {number} has a metric {name!r}, but {why}; call it something else")
        metrics[name] = value if type(value) is float else _number(name, value, number)
    if objective not in metrics:
        raise ExperimentError(
            f"report {number} has no {objective!r}, the objective, which every report must have; "
            f"{suggestion(objective, metrics)}"
        )
    return metrics


def _number(name: str, value: Any, number: int) -> float:
    try:
        if not isinstance(value, str | bytes) and not getattr(value, "ndim", 0):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    shape = getattr(value, "shape", ())
    hint = f" of shape {tuple(shape)}: one number is needed, such as its mean" if shape else ""
    raise ExperimentError(f"report {number}: {name!r} must be a number, was {_said(value)}{hint}")


def _said(value: Any) -> str:
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 60 else f'{text[:57]}...'} ({type(value).__name__})"
