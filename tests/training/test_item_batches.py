"""Batches that are read: each member's a function of its seed and epoch alone."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from data.pytorch.sets import (
    COUNT,
    Broken,
    Counted,
    Made,
    Noisy,
    Pairs,
    Plain,
    Ragged,
    Stream,
    Twice,
    X,
    Y,
    numbers,
    padded,
)  # fmt: skip
from torch.utils.data import DataLoader

from training.rig import member
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.contracts import Inputs
from tunelab.data.items import Items
from tunelab.data.pytorch.reading import FlowReading, Reading
from tunelab.data.pytorch.source import source_of
from tunelab.errors import DataError
from tunelab.training.batches import RowBatches, UnlikeBatches
from tunelab.training.item_batches import DrawnBatches, FlowingBatches, ItemBatches
from tunelab.training.member import Member

BACKEND = TorchBackend("float32")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def items(data: Any, *, as_given: bool = False) -> "Items":
    source = source_of(data, "train")
    return Items(source, source, None, Inputs((4,)), "classes", 3, 0, "float32", as_given)


def batches(data: Any, size: int | None = 8, **options: Any) -> "ItemBatches":
    found = items(data, **options)
    if found.train.rows is None:
        return FlowingBatches(found, size, BACKEND, FlowReading(found.train))
    return DrawnBatches(found, size, BACKEND, Reading(found.train))


def members(*seeds: int, epoch: int = 0) -> list[Member]:
    made = [member(number, seed=seed) for number, seed in enumerate(seeds)]
    for one in made:
        one.epoch = epoch
    return made


def taken(one: "ItemBatches", who: list[Member], steps: int) -> list[tuple["torch.Tensor", "torch.Tensor"]]:
    one.shuffle(who, steps)
    return [one.take(step) for step in range(steps)]


DATA: dict[str, Any] = {
    "a data set": lambda: Plain(),
    "with noise": lambda: Noisy(),
    "a loader": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True),
    "that drops": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True, drop_last=True),
    "in order": lambda: DataLoader(Noisy(), batch_size=8),
    "processes": lambda: DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=2),
    "a sampler": lambda: DataLoader(Noisy(), batch_size=8, sampler=Twice()),
    "a flow": lambda: Stream(),
    "a flow that ends": lambda: Counted(20),
}


@pytest.mark.parametrize("name", DATA)
def test_a_member_sees_alone_what_it_sees_beside_others(name: str) -> None:
    together = taken(batches(DATA[name]()), members(3, 4, 5), 5)
    for row, seed in enumerate((3, 4, 5)):
        for (x, y), (own_x, own_y) in zip(together, taken(batches(DATA[name]()), members(seed), 5), strict=True):
            assert torch.equal(x[row], own_x[0])
            assert torch.equal(y[row], own_y[0])


@pytest.mark.parametrize("name", DATA)
def test_the_same_seed_and_epoch_see_the_same_each_time_and_others_do_not(name: str) -> None:
    def seen(seed: int, epoch: int) -> Any:
        return torch.cat([x.flatten() for x, _ in taken(batches(DATA[name]()), members(seed, epoch=epoch), 3)])

    first = seen(3, 0)
    assert torch.equal(first, seen(3, 0))
    if name != "a flow that ends":
        assert not torch.equal(first, seen(3, 1))
        assert not torch.equal(first, seen(4, 0))


def test_processes_give_what_this_one_gives() -> None:
    here, there = (taken(batches(DATA[name]()), members(3, 4), 4) for name in ("a loader", "processes"))
    assert all(
        torch.equal(a, b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("size", [1, 7, 8, 29, 30, 31, 100])
def test_without_transforms_it_is_what_rows_in_memory_give(size: int) -> None:
    who, steps = members(3, 4), 2 * -(-COUNT // size)
    rows = RowBatches(X, Y, size, BACKEND)
    rows.shuffle(who, steps)
    for step, (x, y) in enumerate(taken(batches(Plain(), size), who, steps)):
        expected_x, expected_y = rows.take(step)
        assert torch.equal(x, expected_x.expand_as(x))
        assert torch.equal(y, expected_y.expand_as(y))


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_shuffled_loader_sees_each_row_once_an_epoch(drop_last: bool) -> None:
    given = DataLoader(Plain(), batch_size=8, shuffle=True, drop_last=drop_last)
    found = taken(batches(given), members(3, 4), len(given))
    assert [x.shape[1] for x, _ in found] == [8, 8, 8] + [6] * (not drop_last)
    for row in range(2):
        seen = [number for x, _ in found for number in numbers(x[row])]
        assert len(set(seen)) == len(seen) == (24 if drop_last else 30)
        assert sorted(seen) != seen


def test_a_loader_that_does_not_shuffle_is_read_in_its_order() -> None:
    found = taken(batches(DataLoader(Plain(), batch_size=8)), members(3, 4), 5)
    for row in range(2):
        assert [n for x, _ in found for n in numbers(x[row])] == [*range(30), *range(8)]


def test_batches_that_a_loader_draws_by_itself() -> None:
    found = taken(batches(DataLoader(Plain(), batch_sampler=Pairs()), None), members(3, 4), 15)
    for row in range(2):
        pairs = [numbers(x[row]) for x, _ in found]
        assert sorted(pairs) == [[2 * n, 2 * n + 1] for n in range(15)]
    assert [numbers(x[0]) for x, _ in found] != [numbers(x[1]) for x, _ in found]


@pytest.mark.parametrize("name", ["with noise", "processes", "a sampler", "a flow"])
def test_those_that_stay_go_on_as_before_when_others_leave_or_change_places(name: str) -> None:
    expected = taken(batches(DATA[name]()), members(3, 4, 5, 6), 6)
    one = batches(DATA[name]())
    one.shuffle(members(3, 4, 5, 6), 6)
    one.take(0)
    one.keep([3, 1, 2])
    for step in (1, 2):
        assert torch.equal(one.take(step)[0], expected[step][0][[3, 1, 2]])
    one.keep([0])
    for step in (3, 4, 5):
        assert torch.equal(one.take(step)[0], expected[step][0][[3]])


def test_nothing_more_is_read_for_those_that_left() -> None:
    read: list[int] = []

    class Watched(Plain):
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return super().__getitem__(index)

    one = batches(Watched())
    one.shuffle(members(3, 4), 3)
    one.take(0)
    one.keep([1])
    read.clear()
    one.take(1)
    assert len(read) == 8


@pytest.mark.parametrize("name", DATA)
def test_the_generators_of_this_process_are_left_as_they_were(name: str) -> None:
    def after(steps: int) -> list[float]:
        torch.manual_seed(0), np.random.seed(0), random.seed(0)
        taken(batches(DATA[name]()), members(3, 4), steps)
        return [float(torch.rand(())), np.random.rand(), random.random()]

    assert after(3) == after(0)


def test_an_epoch_may_begin_before_the_last_one_ended() -> None:
    one = batches(DATA["processes"]())
    one.shuffle(members(3, 4), 4)
    one.take(0)
    again, expected = taken(one, members(5), 4), taken(batches(DATA["a loader"]()), members(5), 4)
    assert all(torch.equal(x, other) for (x, _), (other, _) in zip(again, expected, strict=True))


@pytest.mark.parametrize(
    ("make", "as_given", "expected"),
    [
        (lambda i: (X[i].double(), Y[i]), False, (torch.float32, torch.int64, ())),
        (lambda i: (X[i].half(), Y[i].to(torch.uint8)), False, (torch.float32, torch.int64, ())),
        (lambda i: (X[i].long(), X[i, 0]), False, (torch.int64, torch.float32, (1,))),
        (lambda i: (X[i].to(torch.uint8), X[i, :2]), False, (torch.uint8, torch.float32, (2,))),
        (lambda i: (X[i], X[i, 0].double()), True, (torch.float32, torch.float32, ())),
        (lambda i: (X[i], Y[i].to(torch.uint8)), True, (torch.float32, torch.uint8, ())),
        (lambda i: (X[i], X[i].reshape(2, 2)), True, (torch.float32, torch.float32, (2, 2))),
    ],
)
def test_whole_numbers_stay_and_real_ones_take_the_dtype(make: Any, as_given: bool, expected: Any) -> None:
    ((x, y),) = taken(batches(Made(make), as_given=as_given), members(3, 4), 1)
    assert (x.dtype, y.dtype, tuple(y.shape[2:])) == expected
    assert tuple(x.shape) == (2, 8, 4)


def test_members_whose_batches_differ_in_shape_cannot_be_stacked_and_one_alone_can() -> None:
    ragged = DataLoader(Ragged(), batch_size=2, shuffle=True, collate_fn=padded)
    with pytest.raises(UnlikeBatches, match=r"differ in shape, \(2, \d+\) and \(2, \d+\) in one step"):
        taken(batches(ragged, 2), members(3, 4, 5), 15)
    assert len(taken(batches(ragged, 2), members(3), 15)) == 15


def test_a_sampler_with_a_state_is_no_concern_of_the_others() -> None:
    class Moving(Twice):
        def __iter__(self) -> Any:
            yield from np.random.permutation(COUNT).tolist()

    given = DataLoader(Plain(), batch_size=8, sampler=Moving())
    together = taken(batches(given), members(3, 4), 3)
    assert torch.equal(taken(batches(given), members(4), 3)[2][0][0], together[2][0][1])


def test_an_item_that_raises_raises_here() -> None:
    with pytest.raises(DataError, match="item 17 of the training data, Broken, raised ValueError: no such picture"):
        taken(batches(Broken(17)), members(3), 4)
