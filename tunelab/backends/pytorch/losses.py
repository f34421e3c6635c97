"""The losses of `tunelab.models.losses` on a module's outputs."""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from tunelab.backends.tape import PopulationTape
from tunelab.contracts import Backend, Loss
from tunelab.models.losses import CrossEntropy, MeanSquaredError


class RowLoss:
    """A loss of all members at once, outside autograd: its gradient is where the backward pass begins.

    That is the loss that layers train on, and takes a third of the time of PyTorch's own under `vmap`.

    Args:
        loss: of rows `(P, B, K)`; each place of outputs `(P, B, places, K)` counts as a row.
        backend: what computes.
    """

    def __init__(self, loss: Loss, backend: Backend) -> None:
        self._loss, self._tape, self._dtype = loss, PopulationTape(backend), backend.zeros(()).dtype

    def start(self, out: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss `(P,)`, and its gradient with respect to the outputs."""
        losses, delta = self._loss.gradient(torch, *self._rows(out.detach(), target), self._tape)
        return losses.mean(1), (delta / losses.shape[1]).view(out.shape).to(out.dtype)

    def sums(self, out: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return each metric as a sum over rows `(P,)`, each the mean over its places."""
        flat, labels = self._rows(out, target)
        places = flat.shape[1] / out.shape[1]
        return {name: total / places for name, total in self._loss.evaluate(torch, flat, labels).items()}

    def _rows(self, out: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs and targets with the places of rows as rows."""
        if out.dim() > 3:
            out, target = out.flatten(1, 2), target.flatten(1, 2)
        return out.to(self._dtype).contiguous(), target


def cross_entropy(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean over rows, and over the places of each: outputs `(B, ..., classes)`, targets `(B, ...)`."""
    return functional.cross_entropy(out.flatten(0, -2), target.flatten())


def mean_squared_error(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean over rows of outputs `(B, values)` and targets of that shape."""
    return functional.mse_loss(out, target)


CRITERIA: Mapping[Loss, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    CrossEntropy(): cross_entropy,
    MeanSquaredError(): mean_squared_error,
}
"""The same losses as PyTorch has them."""
