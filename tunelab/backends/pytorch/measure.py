"""What is measured of a module in evaluation mode."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from tunelab.backends.pytorch.meters import Meters
from tunelab.backends.pytorch.network import Task

Forward = Callable[[torch.Tensor, torch.Tensor], tuple[dict[str, torch.Tensor], Any]]
"""Returns sums over rows `(P,)` by metric, and the outputs `(P, B, ...)`, for rows `(B, ...)` and their targets."""


def measured(
    forward: Forward, task: Task, meters: Meters, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, np.ndarray]:
    """Return the mean of each metric over all rows of all parts, `(P,)` float64."""
    totals: dict[str, Any] = {}
    rows = 0
    meters.reset()
    for x, y in parts:
        sums, out = forward(x, y)
        rows += len(x)
        for name, values in sums.items():
            totals[name] = totals.get(name, 0.0) + values.double()
        meters.update(out, task.rows(x) if task.reconstructs else y)
    found = {name: total / rows for name, total in totals.items()} | meters.compute()
    return {name: values.cpu().numpy() for name, values in found.items()}


def sums_of(losses: torch.Tensor, out: Any, y: torch.Tensor, task: Task) -> dict[str, torch.Tensor]:
    """Return what is measured where the loss is the person's own: it, and the accuracy if outputs are those of classes.

    Each is a sum over rows `(P,)`.
    """
    rows = len(y)
    found = {"loss": losses * rows}
    if task.tells_classes(out):
        found["accuracy"] = (out.argmax(-1) == y).flatten(1).to(losses.dtype).mean(1) * rows
    return found
