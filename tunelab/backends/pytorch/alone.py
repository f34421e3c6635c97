"""One member passes through its own module."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakMethod

import numpy as np
import torch
from torch import nn

from tunelab.backends.pytorch.alike import DROPOUTS
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.backward import accumulate
from tunelab.backends.pytorch.losses import explained, row_loss
from tunelab.backends.pytorch.measure import measured, sums_of
from tunelab.backends.pytorch.members import Members, Site
from tunelab.backends.pytorch.meters import Meters
from tunelab.backends.pytorch.network import ModuleNetwork
from tunelab.contracts import Array, Passes, Seats


class AlonePasses(Passes):
    """A module as PyTorch runs it, its parameters and buffers in the population's memory.

    Where its members can train together its random numbers are those that they would have there; else they come from
    torch's own generator, seeded by the member's stream before each pass. A gradient is moved to its place as soon as
    it is there, so that no second copy of them all is ever in memory; or it stays where it is (`own_gradients`).

    Args:
        network: the module.
        backend: what computes.
        seats: the buffers of a population of one.
    """

    def __init__(self, network: ModuleNetwork, backend: TorchBackend, seats: Seats) -> None:
        assert len(seats.theta) == 1, f"{len(seats.theta)} members, of which each must train alone: {network.alone}"
        self._task, self._backend, self._streams = network.task, backend, seats.streams
        self._shares = network.shares
        self._module = network.module(next(iter(seats.seeds), 0)).to(backend.device)
        parameters = dict(self._module.named_parameters())
        move = WeakMethod(self._move)  # a hook that held what holds its parameter would keep both for ever
        self._grads: dict[nn.Parameter, Array] = {}
        for tensor in network.tensors():
            parameter = parameters[tensor.name]
            parameter.data = seats.theta[0, tensor.where].view(tensor.shape)
            self._grads[parameter] = seats.grad[0, tensor.where].view(tensor.shape)
            parameter.register_post_accumulate_grad_hook(partial(_called, move))
        self._kept = {name: values[0] for name, values in seats.buffers.items()}
        for name, kept in {**parameters, **dict(self._module.named_buffers())}.items():
            if name in self._kept:
                kept.data = self._kept[name]
        dropouts = (part for part in self._module.modules() if isinstance(part, DROPOUTS))
        for part, rate in zip(dropouts, seats.rates, strict=True):
            part.p = rate.reshape(()) if self._shares else float(rate)
        self._call = torch.compile(self._module) if backend.settings.compile else self._module
        self._loss = row_loss(network.task, backend)
        self._meters = Meters(network.task.metrics)
        self._written: set[nn.Parameter] = set()
        self._moves = True

    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(1,)`."""
        self._module.train()
        self._written.clear()
        self._module.zero_grad()
        total = self._backend.zeros((1,))
        with self._random():
            for part in self._backend.parts(x.shape[1]):
                share = (part.stop - part.start) / x.shape[1]
                total = total + self._backward(x[0, part], y[0, part], share) * share
        for parameter in self._grads.keys() - self._written if self._moves else ():
            self._grads[parameter].zero_()
        return total

    def own_gradients(self) -> Callable[[], Sequence[Array]]:
        """Leave gradients where autograd puts them from now on, and return what returns those of the last pass."""
        self._moves = False
        return lambda: [_gradient(parameter).view(1, -1) for parameter in self._grads]

    def measure(self, parts: Iterable[tuple[Array, Array]]) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(1,)` float64."""
        self._module.eval()
        with torch.no_grad():
            return measured(self._measure, self._task, self._meters, parts)

    def outputs(self, x: Array) -> Array:
        """Return the module's outputs for rows `(B, D)`, in evaluation mode."""
        self._module.eval()
        with torch.no_grad(), self._random():
            return _led(self._out(x)[1])

    def _measure(self, x: Array, y: Array) -> tuple[dict[str, Array], Any]:
        with self._random():  # not around the reading of x and y, where a person's transforms draw their own numbers
            rows, out = self._out(x)
            led = _led(out)
            if self._loss is not None:
                return self._loss.sums(led, y[None]), led
            return sums_of(self._own_loss(rows, out, y)[None], led, y, self._task), led

    def _backward(self, x: Array, y: Array, share: float) -> Array:
        """Pass through and back; return the loss of these rows, which are a share of the batch."""
        rows, out = self._out(x)
        if self._loss is None:
            loss = self._own_loss(rows, out, y)
            (loss * share).backward()
            return loss.detach()
        losses, delta = self._loss.start(out[None], y[None])
        accumulate(out, delta[0] * share)
        return losses[0]

    def _own_loss(self, rows: Array, out: Any, y: Array) -> Array:
        target = rows if self._task.reconstructs else y
        with self._backend.precision(), explained(target):
            return self._task.criterion(out, target)

    def _out(self, x: Array) -> tuple[Array, Any]:
        rows = self._task.rows(x)
        with self._backend.precision():
            return rows, self._call(rows)

    @contextmanager
    def _random(self) -> Iterator[None]:
        """Let random numbers come from the member's stream; keep what buffers are set anew."""
        (stream,) = self._streams()
        with Members(partial(self._drawn, stream)) if self._shares else _seeded(stream):
            yield
        for name, buffer in self._module.named_buffers():
            if name in self._kept and buffer.data_ptr() != self._kept[name].data_ptr():
                self._kept[name].copy_(buffer)

    def _drawn(self, stream: np.random.Generator, site: Site) -> Array:
        return site.drawn([stream], self._backend.dtype)[0].to(self._backend.device)

    def _move(self, parameter: nn.Parameter) -> None:
        """Move a gradient to its place; add it there if the pass has several parts."""
        if not self._moves:
            return
        assert parameter.grad is not None
        place = self._grads[parameter]
        if parameter in self._written:
            place += parameter.grad
        else:
            place.copy_(parameter.grad)
            self._written.add(parameter)
        parameter.grad = None


def _called(move: "WeakMethod[Any]", parameter: nn.Parameter) -> None:
    method = move()
    assert method is not None
    method(parameter)


def _gradient(parameter: nn.Parameter) -> Array:
    """Return a parameter's gradient, zero where a pass did not reach it."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _led(out: Any) -> Any:
    """Return outputs with a member axis in front."""
    return tuple(map(_led, out)) if isinstance(out, tuple) else out[None]


@contextmanager
def _seeded(stream: np.random.Generator) -> Iterator[None]:
    """Seed torch's generator from a stream, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream.integers(2**63)))
        yield
