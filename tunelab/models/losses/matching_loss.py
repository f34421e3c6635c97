"""Which loss goes with which targets."""

from collections.abc import Mapping
from typing import Literal

from tunelab.contracts import Loss, Targets
from tunelab.errors import DataError
from tunelab.models.losses.cross_entropy import CrossEntropy
from tunelab.models.losses.mean_squared_error import MeanSquaredError

LOSSES: Mapping[str, Loss] = {"cross_entropy": CrossEntropy(), "mean_squared_error": MeanSquaredError()}


def loss_for(name: Literal["auto", "cross_entropy", "mean_squared_error"], targets: Targets) -> Loss:
    """Return the loss of this name, or with "auto" the one that fits the targets.

    Raises:
        DataError: the loss does not fit the targets, or there are none.

    >>> loss_for("auto", "classes")
    CrossEntropy()
    """
    fitting = {loss.targets: known for known, loss in LOSSES.items()}
    if targets not in fitting:
        raise DataError(
            "a loss needs data with classes or values to predict, and there is none; "
            "give data=..., or a model that brings its own loss, such as 'quadratic'"
        )
    chosen = fitting[targets] if name == "auto" else name
    loss = LOSSES[chosen]
    if loss.targets != targets:
        raise DataError(
            f"the loss {name!r} needs {loss.targets} to predict, and this data has {targets}; "
            f"use loss={fitting[targets]!r} or loss='auto'"
        )
    return loss
