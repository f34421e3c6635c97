"""A network: what a cohort has in common, as one function of a flat parameter vector."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunelab.contracts.arrays import Array
from tunelab.contracts.backend import Backend
from tunelab.errors import DataError

ROWS_A_BLOCK = 192
"""Rows evaluated at once: never a function of the population's size, since sums depend on it in the last bit."""


def blocks(x: Array, y: Array) -> Iterator[tuple[Array, Array]]:
    """Cut rows and their targets into the blocks in which they are evaluated.

    >>> [len(x) for x, _ in blocks(np.zeros((400, 3)), np.zeros(400))]
    [192, 192, 16]
    """
    for start in range(0, len(x), ROWS_A_BLOCK):
        block = slice(start, start + ROWS_A_BLOCK)
        yield x[block], y[block]


@dataclass(frozen=True)
class Tensor:
    """One tensor of a network, and where it lies in the flat vector of parameters.

    Attributes:
        name: unique in its network: `0.weight`.
        shape: without the member axis.
        where: its place.
    """

    name: str
    shape: tuple[int, ...]
    where: slice


@dataclass(frozen=True)
class Start:
    """A member's parameters and buffers: before its first step, or where it was left.

    Attributes:
        theta: parameters `(n,)`, float.
        buffers: what the network keeps beside parameters (a running mean), by name.
    """

    theta: np.ndarray
    buffers: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Seats:
    """The rows of a population that one set of passes goes through.

    Attributes:
        theta: parameters `(P, n)`.
        grad: where gradients go, `(P, n)`.
        buffers: what the network keeps beside parameters, `(P, *shape)` by name; changed in place.
        rates: what may differ between members (`Network.rates`), `(P, 1, 1)` each.
        streams: returns each member's stream of noise.
        seeds: of each member's initial state, for what a network keeps neither as parameter nor as buffer.
    """

    theta: Array
    grad: Array
    buffers: Mapping[str, Array]
    rates: Sequence[Array]
    streams: Callable[[], Sequence[np.random.Generator]]
    seeds: Sequence[int] = ()


class Network(ABC):
    """What members of a population have in common: networks that are equal may share one. Hashable.

    Attributes:
        alone: why its members cannot train together, each on its own instead; None if they can.
    """

    alone: str | None = None

    @abstractmethod
    def tensors(self) -> Iterator[Tensor]:
        """Yield each tensor, in the order in which they lie in memory."""

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors())

    @abstractmethod
    def start(self, seed: int) -> Start:
        """Return a member's initial state, a function of the seed alone."""

    def rates(self) -> Sequence[float]:
        """Return the numbers that may differ between members (dropout rates)."""
        return ()

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """What evaluation measures."""

    @abstractmethod
    def fit(self, backend: Backend, x: Array, y: Array, wanted: int | None, largest: int) -> int:
        """Return how many members may train together, and set `alone` where they cannot.

        Args:
            backend: what computes.
            x, y: the rows of one step, `(B, D)` and `(B, ...)`.
            wanted: members that were asked for; None for as many as make sense.
            largest: no more than so many by default.

        Raises:
            ExperimentError: the network cannot train on these rows.
        """

    @abstractmethod
    def passes(self, backend: Backend, seats: Seats) -> "Passes":
        """Return forward and backward, bound to a population's buffers."""

    def passing(self) -> Collection[str]:
        """Return the buffers that are not kept with a trained member: making the network anew brings them."""
        return ()

    def named(self, state: Start) -> dict[str, np.ndarray]:
        """Return what is kept of one member, by name, as views: its tensors, and its buffers but the passing ones."""
        tensors = {tensor.name: state.theta[tensor.where].reshape(tensor.shape) for tensor in self.tensors()}
        buffers = {name: values for name, values in state.buffers.items() if name not in self.passing()}
        return {name: np.asarray(values, order="C") for name, values in {**tensors, **buffers}.items()}

    def state(self, named: Mapping[str, np.ndarray], seed: int) -> Start:
        """Return the state that `named` was given, of a member that began with the seed.

        Raises:
            DataError: other names or shapes than this network's.
        """
        start = self.start(seed)
        wanted = {name: values.shape for name, values in self.named(start).items()}
        given = {name: values.shape for name, values in named.items()}
        for name in sorted({*wanted, *given}):
            if wanted.get(name) != given.get(name):
                raise DataError(f"{name} must have the shape {wanted.get(name)}, was {given.get(name)}")
        theta = np.concatenate([named[tensor.name].ravel() for tensor in self.tensors()])
        return Start(theta, {name: named.get(name, values) for name, values in start.buffers.items()})


class Passes(ABC):
    """Forward and backward through a network, bound to one population's buffers."""

    @abstractmethod
    def gradient(self, x: Array, y: Array) -> Array:
        """Write the gradient of the mean loss over the batch into the buffer; return that loss, `(P,)`.

        Args:
            x: features `(P, B, D)`, or `(1, B, D)` where all members see the same rows.
            y: targets `(P, B)` or `(P, B, K)`, or with one in front.
        """

    @abstractmethod
    def measure(self, parts: Iterable[tuple[Array, Array]]) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows of all parts in evaluation mode, `(P,)` float64.

        Args:
            parts: features `(B, D)` and targets `(B,)` or `(B, K)` of some rows at a time.
        """

    def evaluate(self, x: Array, y: Array) -> dict[str, np.ndarray]:
        """Return the mean of each metric over all rows in evaluation mode, `(P,)` float64.

        Args:
            x: features `(N, D)`.
            y: targets `(N,)` or `(N, K)`.
        """
        return self.measure(blocks(x, y))

    def own_gradients(self) -> Callable[[], Sequence[Array]] | None:
        """Leave gradients where they arise from now on, and return what returns those of the last pass.

        They are one flat `(1, n)` a tensor, in the order of the network's; None if they have to be in the buffer.
        """
        return None

    @abstractmethod
    def outputs(self, x: Array) -> Array:
        """Return the network's outputs `(P, B, K)` for rows `(B, D)`, in evaluation mode."""
