"""All members of a population pass through one module at once."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch._C._functorch import _add_batch_dim, _remove_batch_dim
from torch._functorch import vmap
from torch.utils._pytree import tree_map

from tunelab.backends.pytorch.alike import DROPOUTS
from tunelab.backends.pytorch.backend import TorchBackend
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
        self._leaves = {t.name: _part(seats.theta, t).detach().requires_grad_() for t in tensors}
        self._grads = [_part(seats.grad, t) for t in tensors]
        self._buffers = dict(seats.buffers)
        self._loss = row_loss(network.task, backend)
        self._meters = Meters(network.task.metrics)
        self._places = Places(self._base)
        self._dropouts = [part for part in self._base.modules() if isinstance(part, DROPOUTS)]
        self._rates = tuple(rate.reshape(-1) for rate in seats.rates)
        self._streams = seats.streams
        self.sites: dict[tuple[bool, bool, tuple[int, ...]], list[Site]] = {}

    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(P,)`."""
        self._base.train()
        leaves = list(self._leaves.values())
        total = self._backend.zeros((self._members,))
        for index, part in enumerate(self._backend.parts(x.shape[1])):
            share = (part.stop - part.start) / x.shape[1]
            losses, out = self._pass(x[:, part], y[:, part])
            if self._loss is None:
                found = torch.autograd.grad(losses.sum() * share, leaves, allow_unused=True)
            else:
                losses, delta = self._loss.start(out, y[:, part])
                found = torch.autograd.grad(out, leaves, delta if share == 1 else delta * share, allow_unused=True)
            _write(self._grads, found, add=index > 0)
            total = total + losses.detach() * share
        return total

    def measure(self, parts: Iterable[tuple[Array, Array]]) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(P,)` float64."""
        self._base.eval()
        with torch.no_grad():
            return measured(self._measure, self._task, self._meters, parts)

    def outputs(self, x: Array) -> Array:
        """Return the module's outputs for rows `(B, D)`, in evaluation mode."""
        self._base.eval()
        with torch.no_grad():
            return self._pass(x[None], None)[1]

    def _measure(self, x: Array, y: Array) -> tuple[dict[str, Array], Any]:
        losses, out = self._pass(x[None], y[None])
        return (sums_of(losses, out, y, self._task) if self._loss is None else self._loss.sums(out, y[None])), out

    def _pass(self, x: Array, y: Array | None) -> tuple[Array, Any]:
        """Return losses `(P,)` and outputs `(P, B, ...)` for rows `(P, B, D)`, or `(1, B, D)` of everybody.

        The losses are zeros where they are worked out from the outputs (`RowLoss`). This is `torch.vmap` by hand: its
        looking through nested arguments takes as long as a small network's arithmetic.
        """
        x, x_axis = _spread(self._task.rows(x))
        y, y_axis = (None, None) if y is None or self._loss is not None else _spread(y)
        with self._backend.precision(), nullcontext() if y is None else explained(y):
            noise = self._noise(x, y, x_axis, y_axis)
            with vmap.vmap_increment_nesting(self._members, "error") as level:
                params, buffers = (
                    {n: _add_batch_dim(t, 0, level) for n, t in group.items()}
                    for group in (self._leaves, self._buffers)
                )
                rates, given = ([_add_batch_dim(t, 0, level) for t in group] for group in (self._rates, noise))
                x = x if x_axis is None else _add_batch_dim(x, 0, level)
                y = y if y is None or y_axis is None else _add_batch_dim(y, 0, level)
                found = self._one(params, buffers, rates, given, x, y)
                losses, out = (
                    tree_map(lambda t: _remove_batch_dim(t, level, self._members, 0), each) for each in found
                )
        return losses, out

    def _one(
        self,
        params: Mapping[str, Array],
        buffers: Mapping[str, Array],
        rates: Sequence[Array],
        noise: Sequence[Array],
        x: Array,
        y: Array | None,
    ) -> tuple[Any, Any]:
        """Return one member's loss and outputs."""
        given = iter(noise)
        with Members(lambda _: next(given)):
            return self._loss_and_output(params, buffers, rates, x, y)

    def _loss_and_output(self, params: Any, buffers: Any, rates: Any, x: Array, y: Array | None) -> tuple[Any, Any]:
        for part, rate in zip(self._dropouts, rates, strict=True):
            part.p = rate
        with self._places.filled({**params, **buffers}):
            out = self._base(x)
        if y is None:
            return x.new_zeros(()), out
        return self._task.criterion(out, x if self._task.reconstructs else y), out

    def _noise(self, x: Array, y: Array | None, x_axis: int | None, y_axis: int | None) -> tuple[Array, ...]:
        """Return fresh random numbers `(P, *shape)` for each site of a pass, each member's from its own stream."""
        rows = x.shape if x_axis is None else x.shape[1:]
        key = (self._base.training, y is None, tuple(rows))
        if key not in self.sites:
            self.sites[key] = self._found_sites(x, y, x_axis, y_axis)
        streams, backend = self._streams(), self._backend
        return tuple(site.drawn(streams, backend.dtype).to(backend.device) for site in self.sites[key])

    def _found_sites(self, x: Array, y: Array | None, x_axis: int | None, y_axis: int | None) -> list[Site]:
        sites: list[Site] = []

        def found(site: Site) -> Array:
            sites.append(site)
            return self._backend.zeros(site.shape)

        def one(params: Any, buffers: Any, rates: Any, x: Array, y: Array | None) -> Any:
            with Members(found):
                return self._loss_and_output(params, buffers, rates, x, y)[0]

        buffers = {name: values.clone() for name, values in self._buffers.items()}
        with torch.no_grad(), self._backend.precision():
            torch.vmap(one, (0, 0, 0, x_axis, y_axis))(self._leaves, buffers, self._rates, x, y)
        return sites


def _spread(values: Array) -> tuple[Array, int | None]:
    """Return values and their member axis; those `(1, ...)` of everybody have none."""
    return (values[0], None) if len(values) == 1 else (values, 0)


def _part(flat: Array, tensor: Tensor) -> Array:
    """Return one tensor of all members `(P, *shape)`, a view into flat rows `(P, n)`."""
    return flat[:, tensor.where].unflatten(1, tensor.shape) if tensor.shape else flat[:, tensor.where.start]


def _write(into: Sequence[Array], gradients: Sequence[Array | None], *, add: bool) -> None:
    """Write gradients where they belong, or add them; a parameter that was not used has a gradient of zero."""
    for place, gradient in zip(into, gradients, strict=True):
        if gradient is None:
            gradient = torch.zeros_like(place)
        if add:
            place += gradient
        else:
            place.copy_(gradient)
