"""Data sets as people write them, small."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, Dataset, IterableDataset, RandomSampler, Sampler

COUNT = 30
X = torch.arange(COUNT * 4, dtype=torch.float32).reshape(COUNT, 4) / 10
Y = torch.arange(COUNT) % 3
"""Row i begins with 0.4 i, so that it can be told apart."""


def numbers(x: torch.Tensor) -> list[int]:
    """Return which rows these are, whatever noise of less than 0.1 was added to them."""
    return (x[..., 0] / 0.4).round().long().flatten().tolist()


class Plain(Dataset[Any]):
    """Rows of X and Y, read one by one."""

    def __init__(self, count: int = COUNT) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return X[index], int(Y[index])


class Listed(Plain):
    """The same, which lists its labels as torchvision's data sets do."""

    def __init__(self, count: int = COUNT, targets: Any = None) -> None:
        super().__init__(count)
        self.targets = Y[:count].tolist() if targets is None else targets


class Noisy(Plain):
    """Adds noise from all three generators."""

    def __getitem__(self, index: int) -> Any:
        noise = float(torch.rand(())) + np.random.rand() + random.random()
        return X[index] + 0.01 * noise, int(Y[index])


class Unseeded(Plain):
    """Adds noise from a generator of its own."""

    def __init__(self, count: int = COUNT) -> None:
        super().__init__(count)
        self.generator = np.random.default_rng(0)

    def __getitem__(self, index: int) -> Any:
        return X[index] + 0.01 * self.generator.random(), int(Y[index])


class Ragged(Plain):
    """Rows whose length depends on the item."""

    def __getitem__(self, index: int) -> Any:
        return X[index].repeat(1 + index % 3), int(Y[index])


class Broken(Plain):
    """Raises at one item."""

    def __init__(self, at: int = 17, count: int = COUNT) -> None:
        super().__init__(count)
        self.at = at

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            raise ValueError("no such picture")
        return super().__getitem__(index)


class Made(Plain):
    """Gives what a function makes of each item's number."""

    def __init__(self, make: Callable[[int], Any], count: int = COUNT) -> None:
        super().__init__(count)
        self.make = make

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


class Stream(IterableDataset[Any]):
    """Rows without numbers, with noise, in random order; for ever, unless it is given a number."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        given = 0
        while self.count is None or given < self.count:
            index = np.random.randint(COUNT)
            yield X[index] + 0.01 * torch.rand(()), int(Y[index])
            given += 1


class Counted(IterableDataset[Any]):
    """Rows in their order, without noise."""

    def __init__(self, count: int = COUNT, broken: bool = False) -> None:
        self.count, self.broken = count, broken

    def __iter__(self) -> Iterator[Any]:
        for index in range(self.count):
            if self.broken and index == 5:
                raise ValueError("the line is cut")
            yield X[index], int(Y[index])


class Twice(Sampler[int]):
    """A sampler of one's own: each third item, twice, in random order."""

    def __iter__(self) -> Iterator[int]:
        yield from (torch.randperm(COUNT // 3).repeat(2) * 3).tolist()

    def __len__(self) -> int:
        return COUNT // 3 * 2


class Pairs(BatchSampler):
    """A batch sampler of one's own: neighbours."""

    def __init__(self) -> None:
        super().__init__(RandomSampler(range(COUNT // 2)), 1, drop_last=False)

    def __iter__(self) -> Iterator[list[int]]:
        yield from ([2 * index, 2 * index + 1] for (index,) in super().__iter__())


def padded(items: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """A collate function of one's own: rows of one batch get one length."""
    xs, ys = zip(*items, strict=True)
    return torch.nn.utils.rnn.pad_sequence(list(xs), batch_first=True), torch.tensor(ys)
