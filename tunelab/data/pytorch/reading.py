"""Read a person's items, in this process or in processes of their DataLoader, each batch under a seed of its own.

A seed for each batch, not for each process, makes a batch the same whoever reads it, and beside whatever else.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from tunelab.data.pytorch.batch import Failure, batch_of, said
from tunelab.data.pytorch.seeds import left_alone, seed_all
from tunelab.data.pytorch.source import Pair, Source
from tunelab.errors import DataError


@dataclass(frozen=True)
class Draw:
    """One batch to read.

    Attributes:
        seed: of the random numbers that reading it takes.
        index: which items, a list of their numbers; or what the person's sampler drew.
    """

    seed: int
    index: Any


class Reading:
    """Reads the batches of a source whose items have numbers.

    In this process that seeds its generators of random numbers: call `next` inside `seeds.left_alone()`. Processes that
    read are kept until `close`: to start some for each epoch takes 0.1 s each.

    Args:
        source: what is read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._draws = _Draws()
        self._loader: DataLoader[Any] | None = None

    def batches(self, draws: Iterable[Draw]) -> Iterator[Pair]:
        """Yield the batches that are drawn, in this order; processes read ahead.

        Raises:
            DataError: an item that cannot be read, or batches that are no pairs of tensors.
        """
        if not self._source.num_workers:
            for draw in draws:
                yield _unless_failed(read(self._source, draw))
            return
        if self._loader is None:
            self._loader = _loader(self._source, _Numbered(self._source), _as_it_is, batch_sampler=self._draws)
        self._draws.next = draws
        try:
            yield from _looked_after(self._loader, self._source)
        except DataError:
            self.close()  # one of its processes may be gone
            raise

    def close(self) -> None:
        """End the processes that read."""
        _end(self._loader)
        self._loader = None


class FlowReading:
    """Reads an `IterableDataset`, from its beginning each time.

    In this process that seeds its generators of random numbers: call `next` inside `seeds.left_alone()`. Processes that
    read are kept until `close`.

    Args:
        source: what is read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seed = torch.zeros(1, dtype=torch.int64)
        self._loader: DataLoader[Any] | None = None

    def batches(self, size: int | None, seeds: Iterator[int], *, endless: bool) -> Iterator[Pair]:
        """Yield batches from the beginning, and from there again where they are to be endless.

        Args:
            size: rows a batch; None where each item is a batch.
            seeds: one for each beginning and each batch; where processes read, for each beginning only.
            endless: whether to begin again.

        Raises:
            DataError: as `Reading.batches`, or no batch at all.
        """
        some = True
        while some:
            some = False
            for batch in (self._there if self._source.num_workers else self._here)(size, seeds):
                some = True
                yield batch
            if not some:
                raise DataError(f"{self._source.name}, is empty; at least one batch is needed")
            some = endless

    def close(self) -> None:
        """End the processes that read."""
        _end(self._loader)
        self._loader = None

    def _here(self, size: int | None, seeds: Iterator[int]) -> Iterator[Pair]:
        source = self._source
        seed_all(next(seeds))
        items = enumerate(_guarded(source))
        while True:
            seed_all(next(seeds))
            numbered = list(islice(items, 1 if size is None else size))
            if not numbered or (source.drop_last and size is not None and len(numbered) < size):
                return
            index, found = zip(*numbered, strict=True)
            yield _unless_failed(batch_of(source, list(found) if source.is_batched else found[0], index))

    def _there(self, size: int | None, seeds: Iterator[int]) -> Iterator[Pair]:
        if self._loader is None or self._loader.batch_size != size:
            self.close()
            options = {"batch_size": size, "drop_last": self._source.drop_last}
            flow = _Flow(self._source, self._seed.share_memory_())
            self._loader = _loader(self._source, flow, _Collating(self._source), **options)
        self._seed[0] = next(seeds)
        try:
            yield from _looked_after(self._loader, self._source)
        except DataError:
            self.close()
            raise


def sample(source: Source, size: int | None, seed: int) -> Pair:
    """Return a batch that training may begin with, read in this process; other seeds give other items.

    Raises:
        DataError: as `Reading.batches`.
    """
    here = source.without_workers()
    with left_alone():
        if source.rows is None:
            return next(FlowReading(here).batches(size, repeat(seed), endless=True))
        if source.order == "own":
            (index,) = source.own_batches(size, seed, 0, 1)
        else:
            index = np.roll(source.rows, -seed * (size or 1))[:size].tolist()
        return next(Reading(here).batches([Draw(seed, index)]))


def read(source: Source, draw: Draw) -> Pair | Failure:
    """Read one batch under its seed."""
    seed_all(draw.seed)
    if not source.is_batched:
        found = _item(source, draw.index)
        return found if isinstance(found, Failure) else batch_of(source, found, [draw.index])
    try:
        items = _items(source.dataset, draw.index)
    except Exception as error:
        return _culprit(source, draw) or Failure(f"{source.name}, raised {said(error)}")
    return batch_of(source, items, draw.index)


def _items(dataset: Any, index: Any) -> Any:
    together = getattr(dataset, "__getitems__", None)
    return [dataset[number] for number in index] if together is None else together(index)


def _culprit(source: Source, draw: Draw) -> Failure | None:
    """Return what the first of a batch's items that cannot be read says."""
    seed_all(draw.seed)
    items = (_item(source, number) for number in draw.index)
    return next((item for item in items if isinstance(item, Failure)), None)


def _item(source: Source, number: Any) -> Any:
    try:
        return source.dataset[number]
    except Exception as error:
        return Failure(f"item {number} of {source.name}, raised {said(error)}")


class _Draws:
    """Hands over draws in the place of lists of indices."""

    next: Iterable[Draw] = ()

    def __iter__(self) -> Iterator[Draw]:
        return iter(self.next)


class _Numbered(Dataset[Any]):
    """A source as a DataLoader reads it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitems__(self, draw: Draw) -> Pair | Failure:
        """Read one batch; DataLoaders hand over what their sampler gave."""
        return read(self.source, draw)


class _Flow(IterableDataset[Any]):
    """A source of items without numbers, as a DataLoader reads it.

    Its processes outlive an epoch, and PyTorch does not seed them anew: they look up the seed as they begin.
    """

    def __init__(self, source: Source, seed: torch.Tensor) -> None:
        self.source, self._seed = source, seed

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        assert worker is not None
        seed_all(int(self._seed) + worker.id)
        return _guarded(self.source)


class _Collating:
    """Makes batches where items are read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, items: Any) -> Pair | Failure:
        return batch_of(self._source, items, ())


class _Starting:
    """Does in a process that reads what the person's `worker_init_fn` does, on their data set."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, worker: int) -> None:
        object.__setattr__(get_worker_info(), "dataset", self._source.dataset)
        if self._source.workers.get("worker_init_fn") is not None:
            self._source.workers["worker_init_fn"](worker)


def _as_it_is(batch: Any) -> Any:
    return batch


def _loader(source: Source, dataset: Any, collate: Any, **options: Any) -> DataLoader[Any]:
    """Return a DataLoader whose processes are the person's; it draws no random number from this process's generator."""
    given = dict(source.workers) | {"persistent_workers": True, "worker_init_fn": _Starting(source)} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said when the person made theirs: more processes than cores
        return DataLoader(dataset, collate_fn=collate, generator=torch.Generator(), **given)


def _end(loader: DataLoader[Any] | None) -> None:
    """End a loader's processes now, and not when the last traceback that knows of them is gone."""
    iterator: Any = None if loader is None else loader._iterator
    if iterator is not None:
        iterator._shutdown_workers()


def _looked_after(loader: DataLoader[Any], source: Source) -> Iterator[Pair]:
    """Yield what a loader's processes read."""
    found = None
    while True:
        try:
            found = iter(loader) if found is None else found
            batch = next(found)
        except StopIteration:
            return
        except Exception as error:  # one was killed, took longer than the person's timeout, or could not start
            lines = str(error).strip().splitlines() or [type(error).__name__]
            told = lines[-1] if lines[0].startswith("Caught") else lines[0]
            raise DataError(f"the processes that read {source.name}, failed: {told}") from error
        yield _unless_failed(batch)


def _guarded(source: Source) -> Iterator[Any]:
    """Yield the items of an `IterableDataset`, and a failure where it raises."""
    count = 0
    try:
        for item in source.dataset:
            yield item
            count += 1
    except Exception as error:
        yield Failure(f"{source.name}, raised after {count} items: {said(error)}")


def _unless_failed(found: Pair | Failure) -> Pair:
    if isinstance(found, Failure):
        raise DataError(found.reason)
    return found
