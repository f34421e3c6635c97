"""What a population trains on and is measured on: rows in memory, or items that are read as they are needed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from tunelab.contracts import Array, Backend, blocks
from tunelab.experiments import BatchSize
from tunelab.training.batches import Batches, RowBatches

Rows = tuple[Array, Array]
"""Features `(N, ...)` and targets `(N, ...)`."""


class Feed(ABC):
    """Where a population's rows come from. A size of None stands for the batches that the data itself comes in.

    Attributes:
        tallies: whether the training loss is the mean of an epoch's own steps, since to measure the training part
            again would take as long as to read it again.
    """

    tallies: ClassVar[bool] = False

    @property
    @abstractmethod
    def rows(self) -> int | None:
        """Rows to train on; None where only reading them would tell."""

    def size(self, wanted: BatchSize) -> int | None:
        """Return the rows of a step."""
        if wanted == "loader":
            return None
        return self.rows if wanted == "full" else int(wanted)

    @abstractmethod
    def steps(self, size: int | None) -> int | None:
        """Return the steps of one pass over the training part; None where only reading it would tell."""

    @abstractmethod
    def sample(self, size: int | None) -> Rows:
        """Return the rows of one step, to try a network on."""

    @abstractmethod
    def batches(self, size: int | None, backend: Backend) -> Batches:
        """Return what gives a population its batches."""

    @abstractmethod
    def measured(self) -> Mapping[str, Iterable[Rows]]:
        """Return what is measured at the end of an epoch, some rows at a time, by the prefix of the metrics."""

    @abstractmethod
    def tested(self) -> Iterable[Rows]:
        """Return what the best trial is tested on when all have ended, some rows at a time; nothing without a test."""

    def apart(self, size: int | None) -> str | None:
        """Return why members cannot take their steps together, if they cannot."""
        return None

    def close(self) -> None:
        """Let go of whoever reads."""
        return


class Arrays(Feed):
    """Rows in memory, on a backend.

    Args:
        parts: `(x, y)` by the prefix of their metrics: `train_`, `val_`, or an empty one for a function. The first is
            trained on.
        test: what the best trial is tested on, if anything.
    """

    def __init__(self, parts: Mapping[str, Rows], test: Rows | None = None) -> None:
        self._parts, self._test = parts, test
        self._x, self._y = next(iter(parts.values()))

    @property
    def rows(self) -> int:
        """Rows of the first part."""
        return len(self._x)

    def steps(self, size: int | None) -> int:
        """Return the steps of one pass; the last one may have fewer rows."""
        return -(-self.rows // _told(size))

    def sample(self, size: int | None) -> Rows:
        """Return the first rows."""
        return self._x[: _told(size)], self._y[: _told(size)]

    def batches(self, size: int | None, backend: Backend) -> RowBatches:
        """Return batches of rows that are gathered in memory."""
        return RowBatches(self._x, self._y, _told(size), backend)

    def measured(self) -> Mapping[str, Iterable[Rows]]:
        """Return all parts."""
        return {prefix: blocks(*rows) for prefix, rows in self._parts.items()}

    def tested(self) -> Iterable[Rows]:
        """Return the test part."""
        return () if self._test is None else blocks(*self._test)


def _told(size: int | None) -> int:
    assert size is not None, "rows in memory come in no batches of their own"
    return size
