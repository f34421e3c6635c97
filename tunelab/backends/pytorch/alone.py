"""One member passes through its own module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from tunelab.backends.pytorch.alike import DROPOUTS
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.measure import measured
from tunelab.backends.pytorch.network import ModuleNetwork
from tunelab.contracts import Array, Passes, Seats


class AlonePasses(Passes):
    """A module as PyTorch runs it, its parameters and buffers in the population's memory.

    Its random numbers come from torch's own generator, seeded by the member's stream before each pass. A gradient is
    moved to its place as soon as it is there, so that no second copy of them all is ever in memory.

    Args:
        network: the module.
        backend: what computes.
        seats: the buffers of a population of one.
    """

    def __init__(self, network: ModuleNetwork, backend: TorchBackend, seats: Seats) -> None:
        assert len(seats.theta) == 1, f"{len(seats.theta)} members, of which each must train alone: {network.alone}"
        self._task, self._backend, self._streams = network.task, backend, seats.streams
        self._module = network.module(0).to(backend.device)
        parameters = dict(self._module.named_parameters())
        self._grads: dict[nn.Parameter, Array] = {}
        for tensor in network.tensors():
            parameter = parameters[tensor.name]
            parameter.data = seats.theta[0, tensor.where].view(tensor.shape)
            self._grads[parameter] = seats.grad[0, tensor.where].view(tensor.shape)
            parameter.register_post_accumulate_grad_hook(self._move)
        self._kept = {name: values[0] for name, values in seats.buffers.items()}
        for name, kept in {**parameters, **dict(self._module.named_buffers())}.items():
            if name in self._kept:
                kept.data = self._kept[name]
        rates = iter(seats.rates)
        for part in self._module.modules():
            if isinstance(part, DROPOUTS):
                part.p = float(next(rates))
        self._written: set[nn.Parameter] = set()

    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(1,)`."""
        self._module.train()
        self._written.clear()
        total = self._backend.zeros((1,))
        with self._seeded():
            for part in self._backend.parts(x.shape[1]):
                share = (part.stop - part.start) / x.shape[1]
                loss, _ = self._forward(x[0, part], y[0, part])
                (loss * share if share < 1 else loss).backward()
                total = total + loss.detach() * share
        for parameter in self._grads.keys() - self._written:
            self._grads[parameter].zero_()
        return total

    def evaluate(self, x: Array, y: Array) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(1,)` float64."""
        self._module.eval()
        with torch.no_grad(), self._seeded():
            return measured(self._measure, self._task, x, y)

    def outputs(self, x: Array) -> Array:
        """Return the module's outputs for rows `(B, D)`, in evaluation mode."""
        self._module.eval()
        with torch.no_grad(), self._seeded():
            return _led(self._out(x)[1])

    def _measure(self, x: Array, y: Array) -> tuple[Array, Any]:
        loss, out = self._forward(x, y)
        return loss[None], _led(out)

    def _forward(self, x: Array, y: Array) -> tuple[Array, Any]:
        """Return the loss and the outputs for rows `(B, D)`."""
        with self._backend.precision():
            rows, out = self._out(x)
            return self._task.criterion(out, rows if self._task.reconstructs else y), out

    def _out(self, x: Array) -> tuple[Array, Any]:
        rows = self._task.rows(x)
        return rows, self._module(rows)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Seed torch's generator from the member's stream, and leave it as it was; keep what buffers are set anew."""
        (stream,) = self._streams()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(stream.integers(2**63)))
            yield
        for name, buffer in self._module.named_buffers():
            if name in self._kept and buffer.data_ptr() != self._kept[name].data_ptr():
                self._kept[name].copy_(buffer)

    def _move(self, parameter: nn.Parameter) -> None:
        """Move a gradient to its place; add it there if the pass has several parts."""
        assert parameter.grad is not None
        place = self._grads[parameter]
        if parameter in self._written:
            place += parameter.grad
        else:
            place.copy_(parameter.grad)
            self._written.add(parameter)
        parameter.grad = None


def _led(out: Any) -> Any:
    """Return outputs with a member axis in front."""
    return tuple(map(_led, out)) if isinstance(out, tuple) else out[None]
