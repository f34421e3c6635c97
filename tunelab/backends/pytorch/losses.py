"""The losses of `tunelab.models.losses`, as functions of a module's outputs."""

from collections.abc import Mapping

import torch
from torch.nn import functional

from tunelab.backends.pytorch.network import Criterion
from tunelab.contracts import Loss
from tunelab.models.losses import CrossEntropy, MeanSquaredError


def cross_entropy(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean over rows, and over the places of each: outputs `(B, ..., classes)`, targets `(B, ...)`."""
    return functional.cross_entropy(out.flatten(0, -2), target.flatten())


def mean_squared_error(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean over rows of outputs `(B, values)` and targets of that shape."""
    return functional.mse_loss(out, target)


LOSSES: Mapping[Loss, Criterion] = {CrossEntropy(): cross_entropy, MeanSquaredError(): mean_squared_error}
