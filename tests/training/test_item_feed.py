"""A feed that reads: steps, samples, what is measured, and why members may have to train apart."""

import multiprocessing
from typing import Any

import pytest
import torch
from data.pytorch.sets import (
    COUNT,
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

from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.contracts import Inputs
from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.data.items import Items
from tunelab.data.pytorch.source import source_of
from tunelab.errors import DataError
from tunelab.training.item_feed import ItemFeed

BACKEND = TorchBackend("float32")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def feed(train: Any = None, validation: Any = None) -> "ItemFeed":
    given = {"train": train, "validation": validation}
    parts = (source_of(Plain() if each is None else each, part) for part, each in given.items())
    return ItemFeed(Items(*parts, None, Inputs((4,)), "classes", 3, 0, "float32", as_given=False), BACKEND)


def measured(one: "ItemFeed") -> list[Any]:
    found = one.measured()
    assert list(found) == ["val_"]
    return list(found["val_"])


@pytest.mark.parametrize("name", ["data set", "shuffled loader", "loader", "processes", "flow"])
def test_validation_is_read_whole_in_its_own_order_each_time(name: str) -> None:
    given, sizes = {
        "data set": (Plain(), [COUNT]),
        "shuffled loader": (DataLoader(Plain(), batch_size=8, shuffle=True), [8, 8, 8, 6]),
        "loader": (DataLoader(Plain(), batch_size=20), [20, 10]),
        "processes": (DataLoader(Plain(), batch_size=8, num_workers=2), [8, 8, 8, 6]),
        "flow": (DataLoader(Counted(), batch_size=8), [8, 8, 8, 6]),
    }[name]
    one = feed(validation=given)
    for _ in range(2):
        parts = measured(one)
        assert [len(x) for x, _ in parts] == sizes
        assert [number for x, _ in parts for number in numbers(x)] == list(range(COUNT))
        assert torch.equal(torch.cat([y for _, y in parts]), Y)
    one.close()


def test_a_large_data_set_is_read_in_blocks() -> None:
    parts = measured(feed(validation=Made(lambda index: (X[index % 30], 0), 500)))
    assert [len(x) for x, _ in parts] == [ROWS_A_BLOCK, ROWS_A_BLOCK, 500 - 2 * ROWS_A_BLOCK]


def test_a_loader_that_drops_or_draws_does_so_in_validation_too() -> None:
    assert [len(x) for x, _ in measured(feed(validation=DataLoader(Plain(), 8, drop_last=True)))] == [8, 8, 8]
    found = [numbers(x) for x, _ in measured(feed(validation=DataLoader(Plain(), batch_sampler=Pairs())))]
    assert sorted(found) == [[2 * n, 2 * n + 1] for n in range(15)]
    weighted = feed(validation=DataLoader(Plain(), batch_size=8, sampler=Twice()))
    assert [numbers(x) for x, _ in measured(weighted)] == [numbers(x) for x, _ in measured(weighted)]


@pytest.mark.parametrize("workers", [0, 2])
def test_random_numbers_of_validation_are_the_same_each_time(workers: int) -> None:
    for given in (DataLoader(Noisy(), 8, num_workers=workers), DataLoader(Counted(), 8, num_workers=workers)):
        one = feed(validation=given)
        first, again = measured(one), measured(one)
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
        one.close()


def test_measuring_leaves_the_generators_of_this_process_as_they_were() -> None:
    torch.manual_seed(0)
    expected = float(torch.rand(()))
    torch.manual_seed(0)
    measured(feed(validation=Noisy()))
    assert float(torch.rand(())) == expected


def test_a_sample_is_a_batch_on_the_backend() -> None:
    x, y = feed(Made(lambda index: (X[index].double(), Y[index].int()))).sample(7)
    assert (tuple(x.shape), x.dtype, y.dtype) == ((7, 4), torch.float32, torch.int64)


def test_the_size_of_a_step() -> None:
    assert (feed().size(7), feed().size("full"), feed().rows) == (7, COUNT, COUNT)
    assert feed(DataLoader(Plain(), batch_sampler=Pairs())).size("loader") is None
    for given in (Stream(), DataLoader(Plain(), sampler=Twice()), DataLoader(Plain(), batch_sampler=Pairs())):
        with pytest.raises(DataError, match=r"batch_size='full': the training data, \w+, must have items with numbers"):
            feed(given).size("full")


def test_members_step_together_unless_their_batches_differ_in_shape() -> None:
    assert feed().apart(7) is None
    assert feed(DataLoader(Plain(), 7, collate_fn=padded)).apart(7) is None
    assert feed(Stream()).apart(7) is None
    reason = feed(DataLoader(Ragged(), 1, collate_fn=padded)).apart(1)
    assert reason == "batches differ in shape, as (1, 4) and (1, 8) do"


def test_a_flow_that_processes_read_is_read_for_one_at_a_time() -> None:
    reason = feed(DataLoader(Stream(), 7, num_workers=2)).apart(7)
    assert reason == "2 processes read the training data, Stream, from its beginning for each trial"


def test_close_ends_all_processes() -> None:
    one = feed(DataLoader(Plain(), 8, num_workers=1), DataLoader(Plain(), 8, num_workers=2))
    measured(one)
    next(one._training.batches([]), None)  # type: ignore[arg-type]
    assert len(multiprocessing.active_children()) >= 2
    one.close()
    assert multiprocessing.active_children() == []


def test_the_training_part_is_not_read_again_to_be_measured() -> None:
    assert feed().tallies
