"""A person's parts, as rows in memory or as items to read: missing parts are cut out of the one to train on."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tunelab.contracts import Inputs, Table
from tunelab.data.fingerprint import digest
from tunelab.data.items import Items, Parts
from tunelab.data.partition import PARTS, partition
from tunelab.data.pytorch.look import Look, fingerprint_of, labels_of, look
from tunelab.data.pytorch.memory import array_of, require_flat, require_labels, split_of, told_of
from tunelab.data.pytorch.reading import Draw, Reading
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import Pair, Source, source_of
from tunelab.data.split import Scale
from tunelab.errors import DataError

READ_AT_ONCE = 256
"""Items that are read into memory as one batch."""

UNSEEDED = (
    "{}: items differ when they are read twice under one seed; they take random numbers from a generator of their own, "
    "not from torch's, NumPy's or random's, which are seeded for each trial and epoch; no trial will repeat itself"
)


class Given:
    """The parts that a person gave.

    Args:
        parts: a Dataset or DataLoader for `train`, and for others of `PARTS`.
        cache: whether items are read once, into memory.

    Attributes:
        sources: what reads each.

    Raises:
        DataError: a part that is no data set, is empty, or cannot be read into memory.
    """

    def __init__(self, parts: Mapping[str, Any], cache: bool) -> None:
        self.sources = {part: source_of(given, part) for part, given in parts.items()}
        self._cache = cache
        if cache:
            for source in self.sources.values():
                _require_cacheable(source)

    def parted(self, shares: Mapping[str, float], seed: int, scale: Scale, *, as_given: bool) -> Parts:
        """Return the parts to train on, missing ones cut out of the training part."""
        sources = self._complete(shares, seed)
        pairs = {part: self._tensors(source) for part, source in sources.items()}
        if all(pair is not None for pair in pairs.values()):
            x, y = pairs["train"]  # type: ignore[misc]
            nothing = x[:0], y[:0]
            return split_of([pairs.get(part) or nothing for part in PARTS], scale, as_given=as_given)
        if scale != "none":
            raise DataError(
                f"scale={scale!r}: {sources['train'].name}, is read item by item, and trained on as it is; scale it in "
                "its transform, or read it into memory: TorchData(..., cache=True)"
            )
        return self._items(sources, as_given=as_given)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all parts."""
        if len(self._prints) == 1:
            return self._prints["train"]
        return digest(np.array([f"{part} {found}" for part, found in self._prints.items()]))

    def summary(self, part: str) -> str:
        """Return what JSON keeps of a part."""
        return f"{self.sources[part].told} sha256 {self._prints[part]}"

    def table(self) -> Table:
        """Return all rows of all parts."""
        pairs = [self._tensors(source) for source in self.sources.values()]
        found = [pair for pair in pairs if pair is not None]
        if len(found) < len(pairs):
            raise DataError(
                f"{self.sources['train'].name}, is read item by item and is no table; TorchData(..., cache=True) reads "
                "it into memory"
            )
        x, y = (torch.cat(tensors) for tensors in zip(*found, strict=True))
        rows = split_of([(x, y), (x[:0], y[:0]), (x[:0], y[:0])], "none", as_given=False)
        features, inputs = rows.x_train, rows.inputs
        shape = inputs.shape if len(inputs.shape) > 1 else ()
        return Table(
            features.astype(np.float64), rows.y_train, rows.targets, rows.classes, self.sources["train"].told, shape,
            inputs.symbols,
        )  # fmt: skip

    @cached_property
    def _prints(self) -> dict[str, str]:
        return {part: self._print(source) for part, source in self.sources.items()}

    def _print(self, source: Source) -> str:
        pair = self._tensors(source)
        return fingerprint_of(source, self._looks[source.part]) if pair is None else digest(*map(array_of, pair))

    @cached_property
    def _looks(self) -> dict[str, Look]:
        return {part: look(source) for part, source in self.sources.items()}

    @cached_property
    def _read(self) -> dict[str, Pair]:
        """All items of each part, read once."""
        return {part: _all(source, self._looks[part]) for part, source in self.sources.items()}

    def _tensors(self, source: Source) -> Pair | None:
        """Return all rows of a source, where they are in memory."""
        if not self._cache:
            return source.tensors()
        x, y = self._read[source.origin]
        rows = torch.from_numpy(np.asarray(source.rows))
        return x[rows], y[rows]

    def _complete(self, shares: Mapping[str, float], seed: int) -> dict[str, Source]:
        train = self.sources["train"]
        missing = {part: share for part, share in shares.items() if part not in self.sources and share > 0}
        if not missing:
            return self.sources
        if train.rows is None or train.order == "own":
            why = "has no items that could be told apart" if train.rows is None else "has a sampler of its own"
            part = next(iter(missing))
            raise DataError(
                f"the {part} part is missing, and the training part, {train.told}, cannot be parted, since it {why}; "
                f"give both: data=(train, validation), or data={{'train': ..., {part!r}: ...}}"
            )
        labels = self._labels(train)
        groups = np.zeros(len(train.rows), np.int64) if labels is None else labels.astype(np.int64)
        rows = partition(groups, validation=missing.get("validation", 0), test=missing.get("test", 0), seed=seed)
        cut = {part: train.cut(chosen, part) for part, chosen in zip(PARTS, rows, strict=True) if len(chosen)}
        return {part: each for part in PARTS if (each := (self.sources | cut).get(part)) is not None}

    def _labels(self, source: Source) -> np.ndarray | None:
        """Return the class of each row, where that is known without reading them."""
        pair = self._tensors(source)
        if pair is not None:
            y = array_of(pair[1])
            return y if y.ndim == 1 and y.dtype.kind in "iub" else None
        listed = self._lists[source.origin]
        return None if listed is None else listed[source.rows]

    @cached_property
    def _lists(self) -> dict[str, np.ndarray | None]:
        return {part: labels_of(source, self._looks[part]) for part, source in self.sources.items()}

    def _items(self, sources: Mapping[str, Source], *, as_given: bool) -> Items:
        held_out = sources["validation"]
        if held_out.order == "own" and held_out.steps(held_out.size) is None:
            raise DataError(
                f"{held_out.name}: its sampler must say how many it draws, so that a pass ends: give it __len__"
            )
        looks = {part: self._looks[source.origin] for part, source in sources.items()}
        seen = looks["train"]
        listed = [self._labels(source) for source in sources.values()]
        labels = [found for found in listed if found is not None]
        told = told_of(seen.y, max(int(found.max()) + 1 for found in labels) if len(labels) == len(listed) else 0)
        if not as_given:
            require_flat(seen.y)
            for part, found in zip(sources, listed, strict=True):
                if found is not None:
                    require_labels(found, part)
        return Items(
            train=sources["train"],
            validation=sources["validation"],
            test=sources.get("test"),
            inputs=Inputs(tuple(seen.x.shape[1:])),
            targets=told.targets,
            outputs=told.outputs.count,
            places=told.outputs.places,
            x_type=array_of(seen.x[:1]).dtype.name,
            as_given=as_given,
            notes=tuple(
                UNSEEDED.format(each.name) for each in self.sources.values() if not self._looks[each.part].repeats
            ),
        )


def _require_cacheable(source: Source) -> None:
    why = "its items have no numbers" if source.rows is None else "its DataLoader has a sampler of its own"
    if source.rows is None or source.order == "own":
        raise DataError(f"cache=True reads each item once, and {source.told} cannot be read so, since {why}")


def _all(source: Source, seen: Look) -> Pair:
    """Read all items of a part, once."""
    if seen.is_random or not seen.repeats:
        raise DataError(
            f"cache=True reads each item once, but those of {source.told} differ from one reading to the next; leave "
            "out its random transforms, or leave out cache"
        )
    assert source.rows is not None
    count = math.ceil(len(source.rows) / READ_AT_ONCE)
    draws = [Draw(0, part.tolist()) for part in np.array_split(source.rows, count)]
    with left_alone():
        pairs = list(Reading(source).batches(draws))
    try:
        x, y = (torch.cat(tensors) for tensors in zip(*pairs, strict=True))
    except RuntimeError as error:
        raise DataError(f"cache=True needs rows of one shape: {error}; pad them in {source.name}") from None
    return x, y
