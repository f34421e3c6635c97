"""Feeds populations from a PyTorch data set, which is read anew in every epoch."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import ClassVar

from tunelab.contracts import Backend
from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.data.items import Items
from tunelab.data.pytorch.reading import Draw, FlowReading, Reading, sample
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import Pair, Source
from tunelab.errors import DataError
from tunelab.experiments import BatchSize
from tunelab.training.feed import Feed, Rows
from tunelab.training.item_batches import DrawnBatches, FlowingBatches, ItemBatches, ready


class ItemFeed(Feed):
    """Reads for training and validation, through the processes of the person's DataLoaders where these have some.

    Args:
        items: what is read.
        backend: what computes.
    """

    tallies: ClassVar[bool] = True

    def __init__(self, items: Items, backend: Backend) -> None:
        self._items, self._backend = items, backend
        self._training, self._validating = _reading(items.train), _reading(items.validation)

    @property
    def rows(self) -> int | None:
        """Items to train on."""
        return self._items.train.count

    def steps(self, size: int | None) -> int | None:
        """Return the steps of one pass."""
        return self._items.train.steps(size)

    def size(self, wanted: BatchSize) -> int | None:
        """Return the rows of a step; None where the person's DataLoader draws the batches.

        Raises:
            DataError: all rows at once, of a data set that does not say which these are.
        """
        source = self._items.train
        if wanted == "full" and (source.rows is None or source.order == "own"):
            raise DataError(
                f"batch_size='full': {source.name}, must have items with numbers and no sampler of its own, for all to "
                "be read; give a number, and an optimizer that does not ask for full batches"
            )
        return super().size(wanted)

    def sample(self, size: int | None) -> Rows:
        """Return a batch."""
        return ready(sample(self._items.train, size, 0), self._items, self._backend)

    def batches(self, size: int | None, backend: Backend) -> ItemBatches:
        """Return what reads for a population."""
        if isinstance(self._training, FlowReading):
            return FlowingBatches(self._items, size, backend, self._training)
        return DrawnBatches(self._items, size, backend, self._training)

    def measured(self) -> Mapping[str, Iterable[Rows]]:
        """Return the validation part, in its own order."""
        return {"val_": self._each(self._items.validation, self._validating)}

    def tested(self) -> Iterator[Rows]:
        """Yield the test part, in its own order, where there is one."""
        source = self._items.test
        if source is None:
            return
        reading = _reading(source)
        try:
            yield from self._each(source, reading)
        finally:
            reading.close()

    def apart(self, size: int | None) -> str | None:
        """Return why members cannot step together: batches that differ in shape, or too many processes to read them."""
        source = self._items.train
        if source.rows is None and source.num_workers:
            return f"{source.num_workers} processes read {source.name}, from its beginning for each trial"
        if not source.may_be_ragged:
            return None
        one, other = (sample(source, size, seed) for seed in range(2))
        unlike = [(a.shape, b.shape) for a, b in zip(one, other, strict=True) if a.shape != b.shape]
        return f"batches differ in shape, as {tuple(unlike[0][0])} and {tuple(unlike[0][1])} do" if unlike else None

    def close(self) -> None:
        """End the processes that read."""
        self._training.close()
        self._validating.close()

    def _each(self, source: Source, reading: Reading | FlowReading) -> Iterator[Rows]:
        """Yield the batches of a part in its own order, under the same seeds each time."""
        pairs = self._pairs(source, reading)
        while True:
            with left_alone():
                pair = next(pairs, None)
            if pair is None:
                return
            yield ready(pair, self._items, self._backend)

    def _pairs(self, source: Source, reading: Reading | FlowReading) -> Iterator[Pair]:
        size = source.size if source.has_loader else ROWS_A_BLOCK
        if isinstance(reading, FlowReading):
            return reading.batches(size, count(), endless=False)
        return reading.batches(Draw(seed, index) for seed, index in enumerate(source.one_pass(size)))


def _reading(source: Source) -> Reading | FlowReading:
    return FlowReading(source) if source.rows is None else Reading(source)
