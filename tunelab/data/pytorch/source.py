"""One part of a person's data: a PyTorch data set, and how its items become batches."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
)

from tunelab.contracts import place_of
from tunelab.data.pytorch.seeds import seed_all
from tunelab.errors import DataError

Pair = tuple[torch.Tensor, torch.Tensor]
"""Features and targets."""

WORKERS = (
    "num_workers", "timeout", "worker_init_fn", "multiprocessing_context", "prefetch_factor", "persistent_workers",
)  # fmt: skip
"""What a DataLoader says of the processes that read for it."""


@dataclass(frozen=True, eq=False)
class Source:
    """One part of a person's data.

    Attributes:
        part: which: "train", "validation" or "test".
        origin: the part that the person gave and that this one was cut out of, or is.
        dataset: the person's.
        rows: which of its items belong to this part, in their order; None for an `IterableDataset`.
        order: in which an epoch reads them: each time anew, as they lie, or as the person's own sampler says.
        sampler: that sampler, which draws items, or whole batches of them where `size` is None.
        size: rows a batch in the person's DataLoader; None where there is none, or where it says nothing of batches.
        is_batched: whether single items become batches; if not, each item is a batch.
        drop_last: whether a last batch with fewer rows is left out.
        collate: makes a batch of a list of items.
        workers: of the person's DataLoader: which processes read.
        has_loader: whether there is one.
    """

    part: str
    origin: str
    dataset: Any
    rows: np.ndarray | None
    order: Literal["shuffled", "in order", "own"] = "shuffled"
    sampler: Any = None
    size: int | None = None
    is_batched: bool = True
    drop_last: bool = False
    collate: Callable[[Any], Any] = default_collate
    workers: Mapping[str, Any] = field(default_factory=dict)
    has_loader: bool = False

    @property
    def num_workers(self) -> int:
        """Processes that read; 0 for this one."""
        return int(self.workers.get("num_workers", 0))

    @property
    def count(self) -> int | None:
        """How many items there are; None where only reading them would tell."""
        return _length(self.dataset) if self.rows is None else len(self.rows)

    @property
    def draws_batches(self) -> bool:
        """Whether the person's DataLoader decides which items, or how many, make a batch."""
        return self.has_loader and self.size is None

    @property
    def may_be_ragged(self) -> bool:
        """Whether batches of as many rows may differ in shape: those of PyTorch's own `default_collate` do not."""
        return not self.is_batched or self.collate is not default_collate

    @property
    def name(self) -> str:
        """What messages call it: the training data, Faces."""
        return f"the {called(self.part)} data, {type(self.dataset).__name__}"

    @property
    def told(self) -> str:
        """What it is, in a word or two: Faces of 1000."""
        count = "" if self.count is None else f" of {self.count}"
        return f"{type(self.dataset).__name__}{count}"

    @property
    def place(self) -> str:
        """Where the data set's class is found."""
        return place_of(type(self.dataset))

    def cut(self, rows: np.ndarray, part: str) -> "Source":
        """Return the part that these of its rows make; only the one to train on is shuffled, or drops a last batch."""
        assert self.rows is not None
        chosen = self.rows[rows]
        if part == "train":
            return replace(self, rows=np.sort(chosen) if self.order == "in order" else chosen)
        return replace(self, part=part, rows=chosen, order="in order", drop_last=False)

    def without_workers(self) -> "Source":
        """Return the same, read in this process."""
        return replace(self, workers={})

    def steps(self, size: int | None) -> int | None:
        """Return how many batches one pass makes; None where only a pass would tell."""
        if self.order == "own":
            return _length(self._own(size))
        if self.count is None or not self.is_batched:
            return self.count
        assert size is not None
        return self.count // size if self.drop_last else math.ceil(self.count / size)

    def batches(self, rows: np.ndarray, size: int) -> Iterator[list[int]]:
        """Yield the numbers of one batch after another of these items."""
        stop = len(rows) // size * size if self.drop_last else len(rows)
        for start in range(0, stop, size):
            yield rows[start : min(start + size, stop)].tolist()

    def one_pass(self, size: int | None) -> Sequence[Any]:
        """Return the batches of one pass, in the order of the items or as the person's sampler draws them."""
        if self.order == "own":
            steps = self.steps(size)
            assert steps is not None
            return self.own_batches(size, 0, 0, steps)
        assert self.rows is not None
        assert size is not None
        return list(self.batches(self.rows, size))

    def own_batches(self, size: int | None, seed: int, epoch: int, steps: int) -> list[Any]:
        """Return what the person's own sampler draws for so many steps; the process's generators are seeded.

        Raises:
            DataError: a sampler that draws nothing.
        """
        seed_all(seed)
        samplers: list[Any] = [self.sampler, getattr(self.sampler, "sampler", None)]
        for each in samplers:
            if isinstance(getattr(each, "generator", None), torch.Generator):
                each.generator.manual_seed(seed)
            if hasattr(each, "set_epoch"):
                each.set_epoch(epoch)
        found: list[Any] = []
        while len(found) < steps:
            drawn = list(islice(self._own(size), steps - len(found)))
            if not drawn:
                raise DataError(f"{self.name}: its sampler draws no batch: {self.sampler!r}")
            found += drawn
        return found

    def _own(self, size: int | None) -> Any:
        """Return the person's sampler of batches, or one over that of items."""
        return self.sampler if size is None else BatchSampler(self.sampler, size, self.drop_last)

    def tensors(self) -> Pair | None:
        """Return features and targets of all rows, where they are in memory and nothing is done to them on the way."""
        plain = self.collate is default_collate and self.is_batched and not self.drop_last and self.order != "own"
        found = _tensors(self.dataset) if plain else None
        if found is None or self.rows is None or (self.part == "train" and self.order != "shuffled"):
            return None
        if len(found) != 2:
            raise DataError(f"{self.name}, holds {len(found)} tensors; it must hold two, TensorDataset(x, y)")
        x, y = (tensor.detach() for tensor in found)
        if self.part == self.origin and len(self.rows) == len(x):
            return x, y
        rows = torch.from_numpy(self.rows)
        return x[rows], y[rows]


def called(part: str) -> str:
    """Return what messages call a part.

    >>> called("train"), called("test")
    ('training', 'test')
    """
    return "training" if part == "train" else part


def source_of(given: Any, part: str) -> Source:
    """Return what a Dataset, a DataLoader, or a pair of tensors stands for.

    Raises:
        DataError: none of these, or without a length.
    """
    if isinstance(given, DataLoader):
        return _of_loader(given, part)
    return Source(part, part, given, _rows(given, part))


def _of_loader(loader: Any, part: str) -> Source:
    rows = _rows(loader.dataset, part)
    source = Source(
        part,
        part,
        loader.dataset,
        rows,
        size=loader.batch_size,
        drop_last=loader.drop_last,
        collate=loader.collate_fn,
        workers={name: getattr(loader, name) for name in WORKERS},
        has_loader=True,
    )
    if loader.batch_sampler is None:
        source = replace(source, is_batched=False)
    if rows is None:
        return source
    if loader.batch_size is None:
        own = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
        return replace(source, order="own", sampler=own)
    if type(loader.batch_sampler) is not BatchSampler:
        return replace(source, order="own", sampler=loader.batch_sampler, size=None)
    if type(loader.sampler) is SequentialSampler:
        return replace(source, order="in order")
    if _is_plain(loader.sampler, loader.dataset):
        return source
    return replace(source, order="own", sampler=loader.sampler)


def _is_plain(sampler: Any, dataset: Any) -> bool:
    """Return whether a sampler is what `shuffle=True` makes: each item once, in random order."""
    return type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == len(dataset)


def _rows(dataset: Any, part: str) -> np.ndarray | None:
    if isinstance(dataset, IterableDataset):
        return None
    if not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"the {called(part)} data must be a torch.utils.data Dataset or DataLoader, or tensors (x, y), was of type "
            f"{type(dataset).__name__}"
        )
    count, name = _length(dataset), f"the {called(part)} data, {type(dataset).__name__}"
    if count is None:
        raise DataError(f"{name}, must say how many items it has: give it __len__")
    if not count:
        raise DataError(f"{name}, is empty; at least one item is needed")
    return np.arange(count)


def _length(given: Any) -> int | None:
    try:
        return len(given)
    except (TypeError, NotImplementedError):
        return None


def _tensors(dataset: Any) -> Sequence[torch.Tensor] | None:
    """Return what a TensorDataset holds, or a part of one."""
    if type(dataset) is TensorDataset:
        found: Sequence[torch.Tensor] = dataset.tensors
        return found
    inner = _tensors(dataset.dataset) if type(dataset) is Subset else None
    return None if inner is None else [tensor[torch.as_tensor(dataset.indices)] for tensor in inner]
