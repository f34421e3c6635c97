"""Batches that are read item by item, each member's by itself: which, and with which random numbers."""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from tunelab.contracts import Array, Backend
from tunelab.data.items import Items
from tunelab.data.pytorch.reading import Draw, FlowReading, Reading
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import Pair, Source
from tunelab.training.batches import Batches, UnlikeBatches, orders_of
from tunelab.training.member import Member
from tunelab.training.streams import Purpose, stream


class ItemBatches(Batches):
    """Batches of a PyTorch data set, a read for each member.

    Args:
        items: what is read.
        backend: what computes.
    """

    def __init__(self, items: Items, backend: Backend) -> None:
        self._items, self._backend = items, backend
        self._kept: list[int] = []

    def shuffle(self, members: Sequence[Member], steps: int) -> None:
        """Begin to read an epoch of `steps` steps for these members."""
        self._kept = list(range(len(members)))
        self._begin(members, steps)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these members only, in this order."""
        self._kept[:] = [self._kept[row] for row in rows]

    def take(self, step: int) -> tuple[Array, Array]:
        """Return features and targets of a step, `(P, B, ...)`.

        Raises:
            DataError: a batch that cannot be read.
            UnlikeBatches: members whose batches differ in shape.
        """
        with left_alone():
            pairs = [ready(pair, self._items, self._backend) for pair in self._next()]
        return self._stacked([x for x, _ in pairs]), self._stacked([y for _, y in pairs])

    @abstractmethod
    def _begin(self, members: Sequence[Member], steps: int) -> None:
        """Begin to read for these members."""

    @abstractmethod
    def _next(self) -> Sequence[Pair]:
        """Return the next batch of each member that is kept."""

    def _stacked(self, parts: Sequence[Array]) -> Array:
        odd = next((part for part in parts if part.shape != parts[0].shape), None)
        if odd is not None:
            raise UnlikeBatches(
                f"their batches differ in shape, {tuple(parts[0].shape)} and {tuple(odd.shape)} in one step"
            )
        return self._backend.xp.stack(list(parts)) if len(parts) > 1 else parts[0][None]


class DrawnBatches(ItemBatches):
    """Batches of items that have numbers: every item once in a pass, in the member's own order.

    Args:
        items: what is read.
        size: rows a step; None where the person's sampler draws batches.
        backend: what computes.
        reading: reads the training part.
    """

    def __init__(self, items: Items, size: int | None, backend: Backend, reading: Reading) -> None:
        super().__init__(items, backend)
        self._size, self._reading = size, reading

    def _begin(self, members: Sequence[Member], steps: int) -> None:
        self._issued: deque[int] = deque()
        plans = [self._plan(member, steps) for member in members]
        self._batches = self._reading.batches(_draws(plans, self._kept, self._issued))

    def _plan(self, member: Member, steps: int) -> Iterator[Draw]:
        source = self._items.train
        index: Iterable[Any]
        if source.order == "own":
            seed = int(stream(member.trial.seed, Purpose.ORDER, member.epoch).integers(2**63))
            with left_alone():
                index = source.own_batches(self._size, seed, member.epoch, steps)
        else:
            assert self._size is not None
            index = islice(_passes(member, source, self._size), steps)
        return (Draw(seed, batch) for batch, seed in zip(index, seeds_of(member), strict=False))

    def _next(self) -> Sequence[Pair]:
        found: dict[int, Pair] = {}
        while len(found) < len(self._kept):
            batch = next(self._batches)
            index = self._issued.popleft()
            if index in self._kept:  # processes read ahead, also for one that has left since
                found[index] = batch
        return [found[index] for index in self._kept]


class FlowingBatches(ItemBatches):
    """Batches of an `IterableDataset`, from its beginning in every epoch.

    Args:
        items: what is read.
        size: rows a step; None where each item is a batch.
        backend: what computes.
        reading: reads the training part.
    """

    def __init__(self, items: Items, size: int | None, backend: Backend, reading: FlowReading) -> None:
        super().__init__(items, backend)
        self._size, self._reading = size, reading

    def _begin(self, members: Sequence[Member], steps: int) -> None:
        self._flows = [self._reading.batches(self._size, seeds_of(member), endless=True) for member in members]

    def _next(self) -> Sequence[Pair]:
        return [next(self._flows[index]) for index in self._kept]


def _draws(plans: Sequence[Iterator[Draw]], kept: Sequence[int], issued: deque[int]) -> Iterator[Draw]:
    """Yield what to read, step by step, and note for whom; nothing more for members that have left.

    A function and not a method: a reference to whoever reads would be a cycle, and processes that wait for Python's
    collector of such are ended the hard way, after 5 s each.
    """
    for draws in zip(*plans, strict=True):
        for index, draw in enumerate(draws):
            if index in kept:
                issued.append(index)
                yield draw


def seeds_of(member: Member) -> Iterator[int]:
    """Yield a seed for each batch of a member's present epoch."""
    generator = stream(member.trial.seed, Purpose.ITEMS, member.epoch)
    while True:
        yield int(generator.integers(2**63))


def ready(pair: Pair, items: Items, backend: Backend) -> tuple[Array, Array]:
    """Return a batch on a backend: real numbers in its dtype, targets as the loss takes them."""
    x, y = (backend.asarray(values) for values in pair)
    if items.as_given:
        return x, y
    if not y.is_floating_point():
        return x, y.long()
    return x, y[:, None] if y.ndim == 1 else y


def _passes(member: Member, source: Source, size: int) -> Iterator[list[int]]:
    """Yield the items of one batch after another, pass after pass."""
    assert source.rows is not None
    in_order = source.order == "in order" or size >= len(source.rows)
    for order in orders_of(member, len(source.rows)):
        yield from source.batches(source.rows if in_order else source.rows[order], size)
