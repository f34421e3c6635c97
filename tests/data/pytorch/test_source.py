"""What a Dataset or a DataLoader says of how its items become batches."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, Subset, TensorDataset, WeightedRandomSampler

from data.pytorch.sets import COUNT, Counted, Pairs, Plain, Stream, Twice, X, Y, padded
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import source_of
from tunelab.errors import DataError

TENSORS = TensorDataset(X, Y)


def loader(data: Any = None, **options: Any) -> Any:
    return DataLoader(Plain() if data is None else data, **options)


ORDERS = {
    "a data set": (Plain(), "shuffled"),
    "shuffle": (loader(shuffle=True), "shuffled"),
    "no shuffle": (loader(), "in order"),
    "with replacement": (loader(sampler=RandomSampler(Plain(), replacement=True)), "own"),
    "a part of the items": (loader(sampler=RandomSampler(Plain(), num_samples=5)), "own"),
    "weights": (loader(sampler=WeightedRandomSampler([1.0] * COUNT, 9)), "own"),
    "batches": (loader(batch_sampler=Pairs()), "own"),
    "no batches": (loader(batch_size=None), "own"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_is_the_persons(name: str) -> None:
    given, order = ORDERS[name]
    assert source_of(given, "train").order == order


@pytest.mark.parametrize("count", [29, 30, 31])
@pytest.mark.parametrize("drop_last", [False, True])
def test_steps_are_the_loaders_length(count: int, drop_last: bool) -> None:
    for size in (1, 7, 10):
        given = loader(Plain(count) if count <= COUNT else TensorDataset(torch.zeros(31, 1)), batch_size=size,
                       drop_last=drop_last, shuffle=True)  # fmt: skip
        assert source_of(given, "train").steps(size) == len(given)


@pytest.mark.parametrize(
    ("given", "size", "steps"),
    [
        (loader(sampler=Twice(), batch_size=6), 6, 4),
        (loader(sampler=Twice(), batch_size=6, drop_last=True), 6, 3),
        (loader(sampler=Twice(), batch_size=6), 20, 1),
        (loader(batch_sampler=Pairs()), None, 15),
        (loader(batch_size=None), None, COUNT),
        (loader(Stream(), batch_size=6), 6, None),
        (Plain(), 8, 4),
    ],
)
def test_steps_of_ones_own_samplers(given: Any, size: int | None, steps: int | None) -> None:
    assert source_of(given, "train").steps(size) == steps


def test_batches_of_a_sampler_of_ones_own_depend_on_the_seed_alone() -> None:
    source = source_of(loader(sampler=Twice(), batch_size=6), "train")

    def drawn(seed: int, epoch: int = 0, steps: int = 3) -> Any:
        with left_alone():
            return source.own_batches(6, seed, epoch, steps)

    first = drawn(1)
    assert drawn(2) != first
    assert drawn(1) == first
    assert [len(batch) for batch in drawn(1, steps=9)] == [6, 6, 6, 2, 6, 6, 6, 2, 6], "pass after pass"
    assert sorted(item for batch in drawn(1, steps=4) for item in batch) == sorted([*range(0, COUNT, 3)] * 2)


def test_a_generator_that_a_sampler_keeps_is_seeded_too() -> None:
    sampler = RandomSampler(Plain(), replacement=True, generator=torch.Generator())
    source = source_of(loader(sampler=sampler, batch_size=6), "train")
    with left_alone():
        first = source.own_batches(6, 1, 0, 3)
        assert source.own_batches(6, 1, 0, 3) == first
        assert source.own_batches(6, 2, 0, 3) != first


def test_a_sampler_hears_of_the_epoch() -> None:
    class Told(Twice):
        epochs: list[int] = []  # noqa: RUF012

        def set_epoch(self, epoch: int) -> None:
            self.epochs.append(epoch)

    source_of(loader(sampler=Told(), batch_size=6), "train").own_batches(6, 0, 7, 1)
    assert Told.epochs == [7]


def test_a_sampler_that_draws_nothing_is_refused() -> None:
    source = source_of(loader(sampler=[], batch_size=6), "train")
    with pytest.raises(DataError, match="the training data, Plain: its sampler draws no batch"):
        source.own_batches(6, 0, 0, 1)


@pytest.mark.parametrize(
    ("given", "part", "inside"),
    [
        (TENSORS, "train", True),
        (loader(TENSORS, shuffle=True, batch_size=4), "train", True),
        (Subset(TENSORS, [3, 1]), "train", True),
        (Subset(Subset(TENSORS, [3, 1]), [1]), "train", True),
        (loader(TENSORS), "validation", True),
        (loader(TENSORS), "train", False),  # in order, which rows in memory are not
        (loader(TENSORS, shuffle=True, drop_last=True), "train", False),
        (loader(TENSORS, shuffle=True, collate_fn=padded), "train", False),
        (loader(TENSORS, sampler=Twice()), "train", False),
        (loader(TENSORS, batch_size=None), "validation", False),
        (Plain(), "train", False),
        (Counted(), "train", False),
    ],
)
def test_what_lies_in_memory_as_it_is(given: Any, part: str, inside: bool) -> None:
    assert (source_of(given, part).tensors() is not None) == inside


def test_rows_of_a_subset_are_its_own() -> None:
    found = source_of(Subset(Subset(TENSORS, [5, 4, 3]), [2, 0]), "train").tensors()
    assert found is not None
    assert torch.equal(found[0], X[[3, 5]])
    assert torch.equal(found[1], Y[[3, 5]])


def test_a_subclass_of_tensor_dataset_may_do_anything_to_its_items() -> None:
    class Changed(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            x, y = super().__getitem__(index)
            return -x, y

    assert source_of(Changed(X, Y), "train").tensors() is None


def test_a_part_that_is_cut_out_reads_as_the_person_does_but_neither_shuffles_nor_drops() -> None:
    whole = source_of(loader(shuffle=True, batch_size=4, drop_last=True, collate_fn=padded, num_workers=2), "train")
    train, held_out = whole.cut(np.array([8, 2]), "train"), whole.cut(np.array([9, 1]), "validation")
    for part in (train, held_out):
        assert part.collate is padded
        assert (part.size, part.num_workers, part.origin) == (4, 2, "train")
    assert (train.order, train.drop_last, train.part) == ("shuffled", True, "train")
    assert (held_out.order, held_out.drop_last, held_out.part) == ("in order", False, "validation")
    assert held_out.one_pass(8) == [[9, 1]]


def test_rows_that_are_not_to_be_shuffled_stay_in_their_order_when_they_are_parted() -> None:
    assert source_of(loader(), "train").cut(np.array([8, 2, 5]), "train").one_pass(2) == [[2, 5], [8]]


class Endless:
    def __getitem__(self, index: int) -> Any:
        return X[0], 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Plain(0), "the training data, Plain, is empty"),
        (Endless(), "the training data, Endless, must say how many items it has: give it __len__"),
        (TensorDataset(X), "the training data, TensorDataset, holds 1 tensors; it must hold two"),
        (TensorDataset(X, Y, Y), "the training data, TensorDataset, holds 3 tensors; it must hold two"),
    ],
)
def test_what_cannot_be_read_is_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        source_of(given, "train").tensors()
