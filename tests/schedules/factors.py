"""The factors of schedules over a whole training, and those of torch.optim.lr_scheduler."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tunelab.contracts import Schedule
from tunelab.training.plan import hyperparameters

TOTALS = (1, 2, 3, 7, 100, 999)


def factors(members: Sequence[Schedule], totals: Sequence[int]) -> np.ndarray:
    """Return the factors `(S, P)` of members that train for `totals` steps; S is the longest training."""
    hyper = vars(hyperparameters(members)) | {name: np.array([[v]]) for name, v in members[0].memory().items()}
    step = np.arange(max(totals)).reshape(-1, 1, 1)
    step = np.minimum(step, np.array(totals)[:, None] - 1)  # (S, P, 1): a member that has ended stays at its last step
    found = members[0].factor(SimpleNamespace(**hyper), step, np.array(totals)[:, None])
    assert found.dtype == np.float64
    return np.broadcast_to(found, (max(totals), len(totals), 1))[:, :, 0]


def alone(schedule: Schedule, total: int) -> np.ndarray:
    """Return the factors `(S,)` of one member."""
    return factors([schedule], [total])[:, 0]


def torch_factors(
    reference: Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler], total: int
) -> np.ndarray:
    """Return the learning rates `(S,)` that a scheduler gives an optimizer whose learning rate is 1."""
    optimizer: Any = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = reference(optimizer, total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def drift(total: int) -> float:
    """Return how far torch may be from the closed form: many of its schedulers multiply by a ratio at each step."""
    return 1e-15 * max(1, total / 200)
