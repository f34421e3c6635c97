"""What is measured of a module in evaluation mode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tunelab.backends.pytorch.network import Task
from tunelab.errors import ExperimentError

ROWS_A_BLOCK = 192
"""Rows evaluated at once: never a function of the population's size."""

Forward = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, Any]]
"""Returns the losses `(P,)` and the outputs `(P, B, ...)` for rows `(B, ...)` and targets `(B, ...)`."""


def measured(forward: Forward, task: Task, x: torch.Tensor, y: torch.Tensor) -> dict[str, np.ndarray]:
    """Return the mean of each metric over all rows, `(P,)` float64."""
    loss: Any = 0.0
    right: Any = 0.0
    outputs = []
    for start in range(0, len(x), ROWS_A_BLOCK):
        block = slice(start, start + ROWS_A_BLOCK)
        losses, out = forward(x[block], y[block])
        rows = len(x[block])
        loss = loss + losses.double() * rows
        if task.classifies:
            right = right + (out.argmax(-1) == y[block]).flatten(1).double().mean(1) * rows
        if task.metrics:
            outputs.append(out)
    found = {"loss": loss / len(x)} | ({"accuracy": right / len(x)} if task.classifies else {})
    whole = torch.cat(outputs, 1) if outputs else None
    for name, metric in task.metrics.items():
        assert whole is not None
        found[name] = torch.stack([_value(metric, name, member, y) for member in whole])
    return {name: values.detach().cpu().numpy() for name, values in found.items()}


def _value(metric: Any, name: str, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return one member's metric; an object of torchmetrics starts afresh."""
    if hasattr(metric, "reset"):
        metric.reset()
    value = torch.as_tensor(metric(out, y))
    if value.numel() != 1:
        raise ExperimentError(f"the metric {name!r} must return one number, returned one of shape {tuple(value.shape)}")
    return value.double().reshape(())
