"""Layers and a loss as one function of a flat parameter vector, for all members at once."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tunelab.backends.tape import PopulationTape
from tunelab.contracts import Array, Backend, Layer, Loss, Network, Parameter, Passes, Seats, Start, Tensor
from tunelab.training.streams import Purpose, stream

CACHE = 4 * 2**20
"""Bytes that a population's parameters, gradients and slots may take: what stays near a core."""

LARGEST = 16
"""More members than this hardly make a step cheaper, and each one in flight is one the sampler knows less of."""


@dataclass(frozen=True)
class LayerNetwork(Network):
    """Layers one after another, each with a hand-written backward.

    Attributes:
        layers: from inputs to outputs.
        loss: what training lowers.
    """

    layers: tuple[Layer, ...]
    loss: Loss

    def parameters(self) -> Iterator[tuple[int, Parameter, slice]]:
        """Yield each tensor with its layer's index and where it lies in the flat vector."""
        start = 0
        for index, layer in enumerate(self.layers):
            for parameter in layer.parameters():
                stop = start + math.prod(parameter.shape)
                yield index, parameter, slice(start, stop)
                start = stop

    def tensors(self) -> Iterator[Tensor]:
        """Yield each tensor: `0.weight`, `0.bias`, `2.weight`, ..."""
        for index, parameter, where in self.parameters():
            yield Tensor(f"{index}.{parameter.name}", parameter.shape, where)

    def start(self, seed: int) -> Start:
        """Return a member's initial parameters."""
        return Start(self.initial(seed))

    def rates(self) -> tuple[float, ...]:
        """Return each layer's own number."""
        return tuple(layer.rate() for layer in self.layers)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those of the loss."""
        return self.loss.metrics

    def fit(self, backend: Backend, x: Array, y: Array, wanted: int | None, largest: int) -> int:
        """Return how many members the cache holds: parameters, gradients, two slots and scratch of each."""
        return wanted or min(largest, places(self.size, x.itemsize))

    def passes(self, backend: Backend, seats: Seats) -> "LayerPasses":
        """Return forward and backward, bound to a population's buffers."""
        return LayerPasses(self, backend, seats)

    def initial(self, seed: int) -> np.ndarray:
        """Return a member's initial parameters, `(n,)` float64, a function of the seed alone."""
        generator = stream(seed, Purpose.WEIGHTS)
        theta = np.empty(self.size)
        for _, parameter, where in self.parameters():
            theta[where] = np.asarray(parameter.center).ravel()
            if parameter.bound:
                theta[where] += generator.uniform(-parameter.bound, parameter.bound, where.stop - where.start)
        return theta

    def views(self, flat: Array) -> list[dict[str, Array]]:
        """Return the tensors `(P, *shape)` of every layer as views into a flat buffer `(P, n)`."""
        found: list[dict[str, Array]] = [{} for _ in self.layers]
        for index, parameter, where in self.parameters():
            found[index][parameter.name] = flat[:, where].reshape(len(flat), *parameter.shape)
        return found


class LayerPasses(Passes):
    """Forward and backward through layers.

    Args:
        network: what to pass through.
        backend: what computes.
        seats: the population's buffers.
    """

    def __init__(self, network: LayerNetwork, backend: Backend, seats: Seats) -> None:
        self._loss = network.loss
        self._layers = network.layers
        self._members = len(seats.theta)
        self._xp = backend.xp
        self._params = network.views(seats.theta)
        self._grads = network.views(seats.grad)
        self._tapes = [PopulationTape(backend, rate, seats.streams) for rate in seats.rates]
        self._loss_tape = PopulationTape(backend)

    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(P,)`."""
        xp = self._xp
        out = self._forward(x, training=True)
        losses, delta = self._loss.gradient(xp, out, y, self._loss_tape)
        rows = losses.shape[1]
        delta *= 1 / rows
        for index in range(len(self._layers) - 1, -1, -1):
            delta = self._layers[index].backward(
                xp, delta, self._params[index], self._grads[index], self._tapes[index], index > 0
            )
        return losses.sum(1) / rows

    def measure(self, parts: Iterable[tuple[Array, Array]]) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(P,)` float64."""
        totals: dict[str, np.ndarray] = {}
        rows = 0
        for x, y in parts:
            rows += len(x)
            out = self._forward(x[None], training=False)
            for name, sums in self._loss.evaluate(self._xp, out, y[None]).items():
                totals[name] = totals.get(name, 0.0) + np.asarray(sums, np.float64)
        return {name: total / rows for name, total in totals.items()}

    def outputs(self, x: Array) -> Array:
        """Return the network's outputs `(P, B, K)` in evaluation mode."""
        return self._forward(x[None], training=False)

    def _forward(self, x: Array, *, training: bool) -> Array:
        if not self._layers[0].shares_rows:
            x = self._xp.broadcast_to(x, (self._members, *x.shape[1:]))
        for layer, params, tape in zip(self._layers, self._params, self._tapes, strict=True):
            tape.training = training
            x = layer.forward(self._xp, x, params, tape)
        return x


def places(size: int, itemsize: int) -> int:
    """Return how many members with so many numbers of so many bytes the cache holds."""
    bytes_each = 5 * size * itemsize
    return max(1, min(LARGEST, CACHE // max(bytes_each, 1)))
