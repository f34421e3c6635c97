"""All members of a population pass through one module at once."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch._C._functorch import _add_batch_dim, _remove_batch_dim
from torch._functorch import vmap
from torch.utils._pytree import tree_map

from tunelab.backends.pytorch.alike import DROPOUTS
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.backward import Gradients, gradients
from tunelab.backends.pytorch.losses import explained, row_loss
from tunelab.backends.pytorch.measure import measured, sums_of
from tunelab.backends.pytorch.members import Members, Site
from tunelab.backends.pytorch.meters import Meters
from tunelab.backends.pytorch.network import ModuleNetwork
from tunelab.backends.pytorch.places import Places
from tunelab.contracts import Array, Passes, Seats, Tensor


class TogetherPasses(Passes):
    """Forward through `vmap`, backward by ordinary autograd: members do not meet, so the sum of their losses will do.

    That takes half the time of `vmap(grad(...))`: autograd then runs once over arrays of all members.

    Args:
        network: the module.
        backend: what computes.
        seats: the population's buffers.
    """

    def __init__(self, network: ModuleNetwork, backend: TorchBackend, seats: Seats) -> None:
        vmap.lazy_load_decompositions()  # type: ignore[attr-defined]
        self._task, self._base, self._backend = network.task, network.base, backend
        self._members = len(seats.theta)
        tensors = list(network.tensors())
        self._names = tuple(tensor.name for tensor in tensors)
        self._leaves = [_part(seats.theta, tensor).detach().requires_grad_() for tensor in tensors]
        self._grads = [_part(seats.grad, tensor) for tensor in tensors]
        self._buffer_names, self._buffers = tuple(seats.buffers), list(seats.buffers.values())
        self._loss = row_loss(network.task, backend)
        self._meters = Meters(network.task.metrics)
        self._places = Places(self._base)
        self._dropouts = [part for part in self._base.modules() if isinstance(part, DROPOUTS)]
        self._rates = [rate.reshape(-1) for rate in seats.rates]
        self._streams = seats.streams
        self._recordings, self._written = network.recordings, [*self._grads, *self._buffers]
        self._settled = (self._members, backend.settings)
        self.sites: dict[tuple[Any, ...], list[Site]] = {}

    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(P,)`."""
        total: Any = 0.0
        for index, part in enumerate(self._backend.parts(x.shape[1])):
            share, add = (part.stop - part.start) / x.shape[1], index > 0
            learn = partial(self._learn, share, add)
            total = total + self._run(("gradient", share, add), learn, True, x[:, part], y[:, part]) * share
        return total

    def measure(self, parts: Iterable[tuple[Array, Array]]) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(P,)` float64."""
        with torch.no_grad():
            return measured(self._measure, self._task, self._meters, parts)

    def outputs(self, x: Array) -> Array:
        """Return the module's outputs for rows `(B, D)`, in evaluation mode."""
        with torch.no_grad():
            return self._run(("outputs",), self._told, False, x[None])

    def _measure(self, x: Array, y: Array) -> tuple[dict[str, Array], Any]:
        found: tuple[dict[str, Array], Any] = self._run(("measure",), self._judge, False, x[None], y[None])
        return found

    def _run(self, what: tuple[Any, ...], function: Callable[..., Any], training: bool, *batch: Array) -> Any:
        """Run a function of all members' tensors and a batch, as it was seen to do it before."""
        if self._base.training != training:
            self._base.train(training)
        key = (what, *((t.shape, t.stride(), t.dtype) for t in batch), *self._settled)
        with explained(batch[-1]) if len(batch) > 1 else nullcontext():
            given = (self._leaves, self._grads, self._buffers, self._rates, self._noise(batch), batch)
            return self._recordings.run(key, function, given, self._written)

    def _learn(self, share: float, add: bool, *given: Sequence[Array]) -> Array:
        """Write the gradients of a part of a batch, which is a share of it, or add them; return its losses `(P,)`."""
        leaves, grads, *_, (_, y) = given
        losses, out = self._pass(*given)
        if self._loss is None:
            found: Gradients = torch.autograd.grad(losses.sum() * share, leaves, allow_unused=True)
        else:
            losses, delta = self._loss.start(out, y)
            found = gradients(out, delta if share == 1 else delta * share, leaves)
        _write(grads, found, add=add)
        return losses.detach()

    def _judge(self, *given: Sequence[Array]) -> tuple[dict[str, Array], Any]:
        """Return each metric's sum over the rows `(P,)`, and the outputs."""
        losses, out = self._pass(*given)
        y = given[-1][1]
        return (sums_of(losses, out, y[0], self._task) if self._loss is None else self._loss.sums(out, y)), out

    def _told(self, *given: Sequence[Array]) -> Any:
        """Return the outputs."""
        return self._pass(*given)[1]

    def _pass(
        self,
        leaves: Sequence[Array],
        grads: Sequence[Array],
        buffers: Sequence[Array],
        rates: Sequence[Array],
        noise: Sequence[Array],
        batch: Sequence[Array],
    ) -> tuple[Array, Any]:
        """Return losses `(P,)` and outputs `(P, B, ...)` for rows `(P, B, D)`, or `(1, B, D)` of everybody.

        The losses are zeros where they are worked out from the outputs (`RowLoss`). This is `torch.vmap` by hand: its
        looking through nested arguments takes as long as a small network's arithmetic.
        """
        (x, x_axis), (y, y_axis) = self._spread(batch)
        with self._backend.precision(), vmap.vmap_increment_nesting(self._members, "error") as level:
            leaves, buffers, rates, noise = (
                [_add_batch_dim(t, 0, level) for t in group] for group in (leaves, buffers, rates, noise)
            )
            x = x if x_axis is None else _add_batch_dim(x, 0, level)
            y = y if y is None or y_axis is None else _add_batch_dim(y, 0, level)
            numbers = iter(noise)
            with Members(lambda _: next(numbers)):
                found = self._loss_and_output(leaves, buffers, rates, x, y)
            losses, out = (tree_map(lambda t: _remove_batch_dim(t, level, self._members, 0), each) for each in found)
        return losses, out

    def _loss_and_output(
        self, leaves: Sequence[Array], buffers: Sequence[Array], rates: Sequence[Array], x: Array, y: Array | None
    ) -> tuple[Any, Any]:
        """Return one member's loss and outputs."""
        for part, rate in zip(self._dropouts, rates, strict=True):
            part.p = rate
        named = dict(zip((*self._names, *self._buffer_names), (*leaves, *buffers), strict=True))
        with self._places.filled(named):
            out = self._base(x)
        if y is None:
            return x.new_zeros(()), out
        return self._task.criterion(out, x if self._task.reconstructs else y), out

    def _spread(self, batch: Sequence[Array]) -> tuple[tuple[Array, int | None], tuple[Array | None, int | None]]:
        """Return rows as the module takes them, and targets if its loss does, each with its member axis."""
        y = batch[1] if len(batch) > 1 and self._loss is None else None
        return _spread(self._task.rows(batch[0])), (None, None) if y is None else _spread(y)

    def _noise(self, batch: Sequence[Array]) -> list[Array]:
        """Return fresh random numbers `(P, *shape)` for each site of a pass, each member's from its own stream."""
        key = (self._base.training, len(batch), batch[0].shape[1:])
        if key not in self.sites:
            self.sites[key] = self._found_sites(batch)
        sites, backend = self.sites[key], self._backend
        if not sites:
            return []
        streams = self._streams()
        return [site.drawn(streams, backend.dtype).to(backend.device) for site in sites]

    def _found_sites(self, batch: Sequence[Array]) -> list[Site]:
        sites: list[Site] = []

        def found(site: Site) -> Array:
            sites.append(site)
            return self._backend.zeros(site.shape)

        def one(leaves: Any, buffers: Any, rates: Any, x: Array, y: Array | None) -> Any:
            with Members(found):
                return self._loss_and_output(leaves, buffers, rates, x, y)[0]

        (x, x_axis), (y, y_axis) = self._spread(batch)
        buffers = [values.clone() for values in self._buffers]
        with torch.no_grad(), self._backend.precision():
            torch.vmap(one, (0, 0, 0, x_axis, y_axis))(self._leaves, buffers, self._rates, x, y)
        return sites


def _spread(values: Array) -> tuple[Array, int | None]:
    """Return values and their member axis; those `(1, ...)` of everybody have none."""
    return (values[0], None) if len(values) == 1 else (values, 0)


def _part(flat: Array, tensor: Tensor) -> Array:
    """Return one tensor of all members `(P, *shape)`, a view into flat rows `(P, n)`."""
    return flat[:, tensor.where].unflatten(1, tensor.shape) if tensor.shape else flat[:, tensor.where.start]


def _write(into: Sequence[Array], gradients: Gradients, *, add: bool) -> None:
    """Write gradients where they belong, or add them; a parameter that was not used has a gradient of zero."""
    for place, gradient in zip(into, gradients, strict=True):
        if gradient is None:
            gradient = torch.zeros_like(place)
        if add:
            place += gradient
        else:
            place.copy_(gradient)
