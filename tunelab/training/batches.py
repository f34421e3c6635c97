"""Which rows each member sees in which step: a function of its seed and epoch alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from tunelab.contracts import Array, Backend
from tunelab.errors import TunelabError
from tunelab.training.member import Member
from tunelab.training.streams import Purpose, stream


class UnlikeBatches(TunelabError):
    """Batches of several members that differ in shape, so that they cannot be one array."""


class Batches(ABC):
    """The batches of all members of a population, epoch by epoch."""

    @abstractmethod
    def shuffle(self, members: Sequence[Member], steps: int) -> None:
        """Draw the order of an epoch of `steps` steps for these members."""

    @abstractmethod
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these members only, in this order."""

    @abstractmethod
    def take(self, step: int) -> tuple[Array, Array]:
        """Return features `(P, B, ...)` and targets `(P, B, ...)` of a step, or `(1, B, ...)` of all members at once.

        Steps are taken one after another, each once.
        """


class RowBatches(Batches):
    """Batches of rows in memory.

    Each member sees every training row once, in its own order, and begins again where an epoch is longer than that.
    The last batch of a pass is smaller where the rows do not divide evenly. Full batches come in the data's own order.

    Args:
        x: training features `(N, D)`.
        y: training targets `(N,)` or `(N, K)`.
        batch_size: rows a step.
        backend: what computes.
    """

    def __init__(self, x: Array, y: Array, batch_size: int, backend: Backend) -> None:
        self._x, self._y, self._size, self._backend = x, y, batch_size, backend
        self._rows = len(x)
        self._steps = -(-self._rows // batch_size)
        self._order = np.empty((0, 0), np.intp)
        self._buffers: dict[tuple[int, ...], Array] = {}

    def shuffle(self, members: Sequence[Member], steps: int) -> None:
        """Draw the order of an epoch of `steps` steps for these members."""
        if self._size >= self._rows:
            return
        passes = -(-steps // self._steps)
        orders = [np.concatenate(list(islice(orders_of(member, self._rows), passes))) for member in members]
        self._order = np.stack(orders)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these members only, in this order."""
        if len(self._order):
            self._order = self._order[rows]

    def take(self, step: int) -> tuple[Array, Array]:
        """Return features `(P, B, D)` and targets `(P, B, ...)` of a step; `(1, N, ...)` where the batch is full."""
        if self._size >= self._rows:
            return self._x[None], self._y[None]
        turn, position = divmod(step, self._steps)
        start = position * self._size
        stop = min(start + self._size, self._rows)
        index = self._order[:, turn * self._rows + start : turn * self._rows + stop]
        x = self._backend.take(self._x, index, self._buffer((*index.shape, *self._x.shape[1:])))
        return x, self._y[index]

    def _buffer(self, shape: tuple[int, ...]) -> Array:
        if shape not in self._buffers:
            self._buffers[shape] = self._backend.xp.empty(shape, dtype=self._x.dtype, device=self._x.device)
        return self._buffers[shape]


def orders_of(member: Member, rows: int) -> Iterator[np.ndarray]:
    """Yield the order of the rows in each pass of a member's present epoch."""
    generator = stream(member.trial.seed, Purpose.ORDER, member.epoch)
    while True:
        yield generator.permutation(rows)
