"""The losses of `tunelab.models.losses` on a module's outputs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.nn import functional

from tunelab.backends.pytorch.network import Task
from tunelab.backends.tape import PopulationTape
from tunelab.contracts import Backend, Loss
from tunelab.errors import DataError
from tunelab.models.losses import CrossEntropy, MeanSquaredError


class RowLoss:
    """A loss of all members at once, outside autograd: its gradient is where the backward pass begins.

    That is the loss that layers train on, and takes a third of the time of PyTorch's own under `vmap`.

    Args:
        loss: of rows `(P, B, K)`; each place of outputs `(P, B, places, K)` counts as a row.
        backend: what computes.
        checks: whether to look at the labels of each batch, which takes 10 us: where nobody has seen all of them.
    """

    def __init__(self, loss: Loss, backend: Backend, *, checks: bool) -> None:
        self._loss, self._tape, self._dtype = loss, PopulationTape(backend), backend.zeros(()).dtype
        self._checks = checks and loss.targets == "classes"

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
        if self._checks:
            _require_labels(target, out.shape[-1])
        if out.dim() > 3:
            out, target = out.flatten(1, 2), target.flatten(1, 2)
        return out.to(self._dtype).contiguous(), target


def row_loss(task: Task, backend: Backend) -> RowLoss | None:
    """Return the loss of a task, if it is one that tunelab brings."""
    return None if task.loss is None else RowLoss(task.loss, backend, checks=not task.flat)


def _require_labels(target: torch.Tensor, classes: int) -> None:
    low, high = map(int, target.aminmax())
    if low < 0 or high >= classes:
        raise DataError(
            f"the module tells {classes} classes, so labels must be from 0 to {classes - 1}; those of a batch are from "
            f"{low} to {high}"
        )


@contextmanager
def explained(target: torch.Tensor) -> Iterator[None]:
    """Say more than PyTorch where a loss of the person's own does not find the class of a label."""
    try:
        yield
    except (IndexError, RuntimeError) as error:
        told = str(error).strip().partition("\n")[0]
        if "out of bounds" not in told:
            raise
        low, high = (value.item() for value in target.aminmax())
        raise DataError(
            f"the loss raised {type(error).__name__}: {told}; targets of this batch are from {low} to {high}"
        ) from error


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
