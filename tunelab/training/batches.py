"""Which rows each member sees in which step: a function of its seed and epoch alone."""

from collections.abc import Sequence

import numpy as np

from tunelab.contracts import Array, Backend
from tunelab.training.member import Member
from tunelab.training.streams import Purpose, stream


class Batches:
    """One epoch of batches for all members of a population.

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
        self._order = np.stack([self._one_order(member, passes) for member in members])

    def _one_order(self, member: Member, passes: int) -> np.ndarray:
        generator = stream(member.trial.seed, Purpose.ORDER, member.epoch)
        return np.concatenate([generator.permutation(self._rows) for _ in range(passes)])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these members only."""
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
