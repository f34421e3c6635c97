"""What is measured of a module in evaluation mode."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tunelab.backends.pytorch.network import Task
from tunelab.errors import ExperimentError

ROWS_A_BLOCK = 192
"""Rows evaluated at once: never a function of the population's size."""

Forward = Callable[[torch.Tensor, torch.Tensor], tuple[dict[str, torch.Tensor], Any]]
"""Returns sums over rows `(P,)` by metric, and the outputs `(P, B, ...)`, for rows `(B, ...)` and their targets."""


def measured(forward: Forward, task: Task, x: torch.Tensor, y: torch.Tensor) -> dict[str, np.ndarray]:
    """Return the mean of each metric over all rows, `(P,)` float64."""
    totals: dict[str, Any] = {}
    outputs = []
    for start in range(0, len(x), ROWS_A_BLOCK):
        block = slice(start, start + ROWS_A_BLOCK)
        sums, out = forward(x[block], y[block])
        for name, values in sums.items():
            totals[name] = totals.get(name, 0.0) + values.double()
        if task.metrics:
            outputs.append(out)
    found = {name: total / len(x) for name, total in totals.items()}
    members = _by_member(outputs)
    targets = x.reshape(len(x), *task.inputs.shape) if task.reconstructs else y
    for name, metric in task.metrics.items():
        found[name] = torch.stack([_value(metric, name, member, targets) for member in members])
    return {name: values.cpu().numpy() for name, values in found.items()}


def sums_of(losses: torch.Tensor, out: Any, y: torch.Tensor, task: Task) -> dict[str, torch.Tensor]:
    """Return what is measured where the loss is the person's own: it, and the accuracy if outputs are those of classes.

    Each is a sum over rows `(P,)`.
    """
    rows = len(y)
    found = {"loss": losses * rows}
    if task.classifies and isinstance(out, torch.Tensor) and tuple(out.shape[2:]) == task.outputs.shape:
        found["accuracy"] = (out.argmax(-1) == y).flatten(1).to(losses.dtype).mean(1) * rows
    return found


def _by_member(parts: Sequence[Any]) -> list[Any]:
    """Return each member's outputs for all rows, of parts `(P, B, ...)`; outputs may be tuples."""
    if parts and isinstance(parts[0], tuple):
        return list(zip(*(_by_member(column) for column in zip(*parts, strict=True)), strict=True))
    return list(torch.cat(list(parts), 1)) if parts else []


def _value(metric: Any, name: str, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return one member's metric; an object of torchmetrics starts afresh."""
    if hasattr(metric, "reset"):
        metric.reset()
    value = torch.as_tensor(metric(out, y))
    if value.numel() != 1:
        raise ExperimentError(f"the metric {name!r} must return one number, returned one of shape {tuple(value.shape)}")
    return value.double().reshape(())
