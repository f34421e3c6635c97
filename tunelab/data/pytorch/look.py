"""Look at a few items of a source: what a row is, and whether it is the same each time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset, TensorDataset

from tunelab.data.fingerprint import digest
from tunelab.data.pytorch.memory import array_of
from tunelab.data.pytorch.reading import Draw, Reading, sample
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import Pair, Source

ITEMS = 8
"""Items that are looked at, spread evenly over those of a source; of one without numbers, the first."""

LISTS = ("targets", "labels")
"""Where PyTorch's own data sets list the class of each item."""


@dataclass(frozen=True)
class Look:
    """What a few items showed.

    Attributes:
        batches: what they make, a batch no larger than those of the person's DataLoader.
        repeats: whether they are the same whenever they are read under the same seed.
        is_random: whether they are others under another seed.
    """

    batches: Sequence[Pair]
    repeats: bool
    is_random: bool

    @property
    def x(self) -> torch.Tensor:
        """The features of the first batch."""
        return self.batches[0][0]

    @property
    def y(self) -> torch.Tensor:
        """The targets of the first batch."""
        return self.batches[0][1]


def look(source: Source) -> Look:
    """Read a few items three times.

    Raises:
        DataError: items that cannot be read, or that make no batch.
    """
    first, again, other = (_read(source, seed) for seed in (0, 0, 1))
    repeats = _same(first, again)
    return Look(first, repeats=repeats, is_random=repeats and not _same(first, other))


def fingerprint_of(source: Source, seen: Look) -> str:
    """Return a hash of a source: its class, its length, and what a few of its items are, where they repeat.

    It is no hash of all items, which would take an epoch to read: two data sets of one class and length have the same
    if they differ in other items only.
    """
    told = [f"{tuple(tensor.shape)} {tensor.dtype}" for pair in seen.batches for tensor in pair]
    items = [digest(array_of(tensor)) for pair in seen.batches for tensor in pair] if seen.repeats else []
    return hashlib.sha256(f"{source.place} {source.count} {told} {items}".encode()).hexdigest()


def labels_of(source: Source, seen: Look) -> np.ndarray | None:
    """Return the class of every item of the data set, where it lists them and what was looked at agrees."""
    if source.rows is None or source.order == "own" or seen.y.dim() != 1 or seen.y.is_floating_point():
        return None
    listed = _listed(source.dataset)
    if listed is None or listed.dtype.kind not in "iub" or len(listed) != source.count:
        return None
    shown = torch.cat([y for _, y in seen.batches]).numpy()
    return listed if np.array_equal(listed[_spread(source.rows)], shown) else None


def _read(source: Source, seed: int) -> Sequence[Pair]:
    if source.rows is None or source.order == "own":
        return [sample(source, source.size if source.has_loader else ITEMS, seed)]
    index = _spread(source.rows).tolist()
    size = min(source.size or ITEMS, ITEMS)
    draws = [Draw(seed, index[start : start + size]) for start in range(0, len(index), size)]
    with left_alone():
        return list(Reading(source.without_workers()).batches(draws))


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, ITEMS).round().astype(int))]


def _same(one: Sequence[Pair], other: Sequence[Pair]) -> bool:
    pairs = [pair for each in zip(one, other, strict=True) for pair in zip(*each, strict=True)]
    return all(_equal(array_of(a), array_of(b)) for a, b in pairs)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _listed(dataset: Any) -> np.ndarray | None:
    if type(dataset) is Subset:
        inner = _listed(dataset.dataset)
        return None if inner is None else np.take(inner, np.asarray(dataset.indices))
    if type(dataset) is TensorDataset:
        return array_of(dataset.tensors[-1])
    listed = next((each for name in LISTS if (each := getattr(dataset, name, None)) is not None), None)
    try:
        found: np.ndarray = np.asarray(listed)
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if found.ndim == 1 else None
