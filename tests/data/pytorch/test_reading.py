"""Reading: each batch a function of its seed and its items alone, whoever reads it."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset, get_worker_info

from data.pytorch.sets import COUNT, Broken, Counted, Made, Noisy, Pairs, Plain, Stream, X, Y, numbers, padded
from tunelab.data.pytorch.reading import Draw, FlowReading, Reading, sample
from tunelab.data.pytorch.seeds import left_alone
from tunelab.data.pytorch.source import Pair, Source, source_of
from tunelab.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
DRAWS = [Draw(seed, list(range(seed, seed + 4))) for seed in (0, 5, 11, 20, 7)]


def source(data: Any, workers: int = 0, **options: Any) -> Source:
    return source_of(DataLoader(data, batch_size=4, num_workers=workers, **options), "train")


def read(given: Source, draws: Any = DRAWS) -> list[Pair]:
    reading = Reading(given)
    try:
        with left_alone():
            return list(reading.batches(draws))
    finally:
        reading.close()


def flow(
    given: Source, batches: int | None, seed: int = 0, size: int | None = 4, *, endless: bool = True
) -> list[Pair]:
    reading = FlowReading(given)
    try:
        with left_alone():
            return list(islice(reading.batches(4, count(seed), endless=endless), batches))
    finally:
        reading.close()


def same(one: list[Pair], other: list[Pair]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


def children() -> set[int]:
    return {process.pid for process in multiprocessing.active_children() if process.pid}


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    assert children() == set()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_items_that_were_drawn_in_that_order(workers: int) -> None:
    for draw, (x, y) in zip(DRAWS, read(source(Plain(), workers)), strict=True):
        assert torch.equal(x, X[draw.index])
        assert torch.equal(y, Y[draw.index])


def test_a_batch_depends_on_its_seed_and_not_on_what_was_read_before() -> None:
    given = source(Noisy())
    forward, backward = read(given), read(given, DRAWS[::-1])
    assert same(forward, backward[::-1])
    other = read(given, [Draw(draw.seed + 1, draw.index) for draw in DRAWS])
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(forward, other, strict=True))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_processes_read_what_this_one_reads(workers: int, persistent: bool) -> None:
    assert same(read(source(Noisy())), read(source(Noisy(), workers, persistent_workers=persistent)))


def test_processes_read_one_epoch_after_another_also_where_one_was_not_read_to_its_end() -> None:
    reading = Reading(source(Noisy(), 2))
    expected = read(source(Noisy()))
    for stop in (2, None, 1, None):
        with left_alone():
            assert same(list(islice(reading.batches(DRAWS), stop)), expected[:stop])
    reading.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_leaves_the_generators_of_this_process_alone(workers: int) -> None:
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    read(source(Noisy(), workers))
    flow(source(Stream(), workers), 3)
    sample(source(Noisy(), workers), 4, 0)
    found = float(torch.rand(())), np.random.rand(), random.random()
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    assert found == (float(torch.rand(())), np.random.rand(), random.random())


def test_a_data_set_that_reads_several_items_at_once_is_asked_to() -> None:
    class Together(Plain):
        def __getitems__(self, index: list[int]) -> Any:
            return [(X[one], 7) for one in index]

    for _, y in read(source(Together())) + read(source(Subset(Together(), range(COUNT)))):
        assert y.tolist() == [7] * 4


def test_a_collate_function_of_ones_own_makes_the_batch_under_the_seed_of_the_batch() -> None:
    def mixed(items: Any) -> Any:
        x, y = padded(items)
        return torch.lerp(x, x.flip(0), float(torch.rand(()))), y

    given = source(Plain(), collate_fn=mixed)
    assert same(read(given), read(given, DRAWS[::-1])[::-1])
    assert same(read(given), read(source(Plain(), 2, collate_fn=mixed)))


def test_items_that_are_batches_already() -> None:
    given = source_of(
        DataLoader(Made(lambda index: (X[index : index + 3], Y[index : index + 3])), batch_size=None), "train"
    )
    (x, y), *_ = read(given, [Draw(0, 5)])
    assert torch.equal(x, X[5:8])
    assert torch.equal(y, Y[5:8])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_item_that_raises_is_named_with_its_cause(workers: int) -> None:
    said = r"item 17 of the training data, Broken, raised ValueError: no such picture \(sets.py, line \d+\)"
    with pytest.raises(DataError, match=said):
        read(source(Broken(17), workers), [Draw(0, [1, 2]), Draw(0, [16, 17, 18])])


def test_an_item_that_raises_is_named_where_several_are_read_at_once() -> None:
    with pytest.raises(DataError, match=r"item 17 of the training data, Subset, raised ValueError: no such picture"):
        read(source(Subset(Broken(17), range(COUNT))), [Draw(0, [16, 17, 18])])


def test_after_an_item_that_raised_others_are_read_as_before() -> None:
    reading = Reading(source(Broken(17), 2))
    with left_alone(), pytest.raises(DataError, match="item 17"):
        list(reading.batches([Draw(0, [17])]))
    with left_alone():
        (x, _), *_ = reading.batches([Draw(0, [3])])
    assert numbers(x) == [3]
    reading.close()


class Killed(Plain):
    def __getitem__(self, index: int) -> Any:
        if index == 5 and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_a_process_that_dies_is_told_and_the_next_epoch_has_new_ones() -> None:
    reading = Reading(source(Killed(), 2))
    with (
        left_alone(),
        pytest.raises(DataError, match=r"the processes that read the training data, Killed, failed: .*pid"),
    ):
        list(reading.batches([Draw(0, [5])]))
    with left_alone():
        assert len(list(reading.batches([Draw(0, [3])]))) == 1
    reading.close()


def test_a_process_that_takes_longer_than_the_persons_timeout_is_told() -> None:
    class Slow(Plain):
        def __getitem__(self, index: int) -> Any:
            time.sleep(3)
            return super().__getitem__(index)

    with pytest.raises(DataError, match=r"the processes that read .* failed: DataLoader timed out after 1 seconds"):
        read(source(Slow(), 1, timeout=1), [Draw(0, [5])])


def test_the_persons_worker_init_sees_their_own_data_set() -> None:
    class Marked(Plain):
        mark = 0

        def __getitem__(self, index: int) -> Any:
            return X[index], self.mark

    def begin(worker: int) -> None:
        info = get_worker_info()
        assert info is not None
        info.dataset.mark = 1 + worker  # type: ignore[attr-defined]

    found = read(source(Marked(), 2, worker_init_fn=begin))
    assert {int(y[0]) for _, y in found} == {1, 2}


def test_a_worker_init_that_raises_is_told() -> None:
    def begin(worker: int) -> None:
        raise OSError("no disk")

    with pytest.raises(DataError, match="the processes that read the training data, Plain, failed: OSError: no disk"):
        read(source(Plain(), 1, worker_init_fn=begin))


# ---- items without numbers


def test_a_flow_begins_again_where_it_is_to_be_endless() -> None:
    found = flow(source(Counted(6)), 5)
    assert [numbers(x) for x, _ in found] == [[0, 1, 2, 3], [4, 5]] * 2 + [[0, 1, 2, 3]]
    assert [numbers(x) for x, _ in flow(source(Counted(6)), None, endless=False)] == [[0, 1, 2, 3], [4, 5]]
    assert [numbers(x) for x, _ in flow(source(Counted(6), drop_last=True), None, endless=False)] == [[0, 1, 2, 3]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_flow_depends_on_its_seeds_alone(workers: int) -> None:
    given = source(Stream(), workers)
    first = flow(given, 5, seed=1)
    assert same(first, flow(given, 5, seed=1))
    assert not same(first, flow(given, 5, seed=2))


def test_processes_that_outlive_an_epoch_are_seeded_anew() -> None:
    reading = FlowReading(source(Stream(), 2))
    found = [list(islice(reading.batches(4, count(seed), endless=True), 4)) for seed in (1, 2, 1)]
    reading.close()
    assert same(found[0], found[2])
    assert not same(found[0], found[1])


def test_flows_beside_each_other_do_not_meet() -> None:
    reading = FlowReading(source(Stream()))
    with left_alone():
        one, other = (reading.batches(4, count(seed), endless=True) for seed in (1, 2))
        together = [(next(one), next(other)) for _ in range(4)]
    assert same([pair[0] for pair in together], flow(source(Stream()), 4, seed=1))
    assert same([pair[1] for pair in together], flow(source(Stream()), 4, seed=2))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_flow_that_raises_says_after_how_many_items(workers: int) -> None:
    said = r"the training data, Counted, raised after 5 items: ValueError: the line is cut \(sets.py, line \d+\)"
    with pytest.raises(DataError, match=said):
        flow(source(Counted(broken=True), workers), 3)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_flow_of_nothing_is_refused(workers: int) -> None:
    with pytest.raises(DataError, match="the training data, Counted, is empty"):
        flow(source(Counted(0), workers), 1)


# ---- samples


@pytest.mark.parametrize(
    "given",
    [
        source_of(Plain(), "train"),
        source(Plain(), shuffle=True),
        source(Plain(), 2),
        source_of(DataLoader(Plain(), batch_sampler=Pairs()), "train"),
        source(Stream()),
    ],
)
def test_samples_of_other_seeds_hold_other_items(given: Source) -> None:
    size = None if given.sampler is not None else 4
    one, again, other = (numbers(sample(given, size, seed)[0]) for seed in (0, 0, 2))
    assert one == again != other
    assert len(one) == (size or 2)


def test_a_sample_of_more_rows_than_there_are_is_all_rows() -> None:
    assert sorted(numbers(sample(source_of(Plain(), "train"), 100, 0)[0])) == list(range(COUNT))
