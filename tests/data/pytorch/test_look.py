"""A look at a few items: what they are, whether they repeat, and what tells them from others."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from data.pytorch.sets import COUNT, Broken, Counted, Listed, Made, Noisy, Pairs, Plain, Ragged, Stream, Unseeded, X, Y
from tunelab.data.pytorch.look import ITEMS, fingerprint_of, labels_of, look
from tunelab.data.pytorch.source import source_of
from tunelab.errors import DataError


def print_of(given: Any) -> str:
    source = source_of(given, "train")
    return fingerprint_of(source, look(source))


@pytest.mark.parametrize(
    ("given", "repeats", "is_random"),
    [
        (Plain(), True, False),
        (Noisy(), True, True),
        (Unseeded(), False, False),
        (Counted(), True, False),
        (Stream(), True, True),
        (DataLoader(Plain(), batch_size=4, num_workers=2), True, False),
    ],
)
def test_items_that_are_the_same_each_time_are_told_from_others(given: Any, repeats: bool, is_random: bool) -> None:
    seen = look(source_of(given, "train"))
    assert (seen.repeats, seen.is_random) == (repeats, is_random)


def test_few_items_are_read_from_first_to_last() -> None:
    read: list[int] = []

    def make(index: int) -> Any:
        read.append(index)
        return X[index], 0

    look(source_of(Made(make), "train"))
    assert len(set(read)) == ITEMS
    assert {0, COUNT - 1} <= set(read)
    read.clear()
    look(source_of(Made(make, 3), "train"))
    assert set(read) == {0, 1, 2}


def test_what_cannot_be_read_is_said_at_once() -> None:
    with pytest.raises(DataError, match="item 0 of the training data, Broken, raised ValueError: no such picture"):
        look(source_of(Broken(0), "train"))
    with pytest.raises(DataError, match="x has another shape from item to item"):
        look(source_of(Ragged(), "train"))


def test_a_fingerprint_is_the_same_each_time_and_another_for_other_data() -> None:
    prints = [
        print_of(given)
        for given in (
            Plain(), Plain(29), Listed(), Noisy(), Made(lambda index: (X[index], 0)), Made(lambda index: (X[index], 1)),
            Made(lambda index: (X[index].double(), 0)), Made(lambda index: (X[index], 0.0)), Stream(), Counted(),
            Subset(Plain(), range(COUNT)), Subset(Plain(), range(1, COUNT)),
        )
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert print_of(Plain()) == prints[0]
    assert print_of(Noisy()) == prints[3]
    assert print_of(Unseeded()) == print_of(Unseeded()), "of the class and shapes alone, since its items differ"


@pytest.mark.parametrize(
    "given",
    [
        Listed(),
        Listed(targets=Y),
        Listed(targets=Y.numpy()),
        DataLoader(Listed(), batch_size=4, shuffle=True),
        Subset(Listed(), [5, 4, 3, 2]),
        Subset(Subset(Listed(), [5, 4, 3, 2]), range(3)),
        Subset(TensorDataset(X, Y), [7, 5]),
    ],
)
def test_labels_that_a_data_set_lists_are_taken(given: Any) -> None:
    source = source_of(given, "train")
    found = labels_of(source, look(source))
    assert found is not None
    data = source.dataset
    assert found.tolist() == [int(data[index][1]) for index in range(len(data))]


@pytest.mark.parametrize(
    "given",
    [
        Plain(),
        Listed(targets=(Y + 1).tolist()),  # a transform of the targets makes others of them
        Listed(targets=Y[:-1]),
        Listed(targets=[["a"], ["b", "c"]]),
        Listed(targets=Y.float()),
        Listed(targets="many"),
        DataLoader(Listed(), batch_sampler=Pairs()),
        Counted(),
    ],
)
def test_labels_are_not_taken_from_what_does_not_agree_with_the_items(given: Any) -> None:
    source = source_of(given, "train")
    assert labels_of(source, look(source)) is None


def test_labels_of_several_places_are_none() -> None:
    class Places(Listed):
        def __getitem__(self, index: int) -> Any:
            return X[index], torch.tensor([0, 1])

    source = source_of(Places(), "train")
    assert labels_of(source, look(source)) is None
    assert isinstance(np.asarray(source.rows), np.ndarray)
