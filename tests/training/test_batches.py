"""Batches of rows in memory: every row once an epoch, in an order that depends on a member's seed and epoch alone."""

import numpy as np
import pytest

from training.rig import DOUBLE, member
from tunelab.training.batches import RowBatches

ROWS = 23
X, Y = np.arange(ROWS, dtype=np.float64)[:, None] * [1.0, 10.0], np.arange(ROWS)


def batches(size: int) -> RowBatches:
    return RowBatches(DOUBLE.asarray(X), DOUBLE.asarray(Y), size, DOUBLE)


def seen(one: RowBatches, steps: int) -> list[np.ndarray]:
    """Return the rows of each step, `(P, B)`, after checking that features and targets belong together."""
    found = []
    for step in range(steps):
        x, y = one.take(step)
        assert np.array_equal(x[..., 0], y)
        assert np.array_equal(x[..., 1], 10 * y)
        found.append(y.copy())
    return found


@pytest.mark.parametrize("size", [1, 4, 8, 22])
def test_every_row_is_seen_exactly_once_an_epoch_the_remainder_included(size: int) -> None:
    one, steps = batches(size), -(-ROWS // size)
    one.shuffle([member(0), member(1), member(2)], steps)
    rows = seen(one, steps)
    assert [part.shape[1] for part in rows] == [size] * (ROWS // size) + [ROWS % size] * (ROWS % size > 0)
    for order in np.concatenate(rows, 1):
        assert sorted(order) == list(range(ROWS))
        assert size == ROWS or list(order) != list(range(ROWS)), "shuffled"


@pytest.mark.parametrize("size", [ROWS, ROWS + 1, 1000])
def test_full_batches_are_shared_and_in_the_order_of_the_data(size: int) -> None:
    one = batches(size)
    one.shuffle([member(0), member(1)], 1)
    x, y = one.take(0)
    assert (x.shape, y.shape) == ((1, ROWS, 2), (1, ROWS))
    assert np.array_equal(y[0], Y)


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    def order(seed: int, epoch: int, beside: int = 0, size: int = 8) -> list[int]:
        one = batches(size)
        members = [member(number, seed=50 + number) for number in range(beside)] + [member(77, seed=seed)]
        members[-1].epoch = epoch
        one.shuffle(members, -(-ROWS // size))
        return np.concatenate(seen(one, -(-ROWS // size)), 1)[-1].tolist()

    assert order(3, 0) == order(3, 0, beside=5) == order(3, 0, size=5)
    assert len({tuple(order(seed, epoch)) for seed in (3, 4) for epoch in (0, 1, 2)}) == 6


def test_an_epoch_longer_than_the_rows_begins_again_in_a_new_order() -> None:
    one = batches(8)
    one.shuffle([member(0), member(1)], 7)
    rows = seen(one, 7)
    assert [part.shape[1] for part in rows] == [8, 8, 7, 8, 8, 7, 8]
    first, second = np.concatenate(rows[:3], 1), np.concatenate(rows[3:6], 1)
    for a, b in zip(first, second, strict=True):
        assert sorted(a) == sorted(b) == list(range(ROWS))
        assert list(a) != list(b)


def test_an_epoch_shorter_than_the_rows_sees_no_row_twice() -> None:
    one = batches(8)
    one.shuffle([member(0)], 2)
    assert len({*np.concatenate(seen(one, 2), 1)[0].tolist()}) == 16


def test_those_that_stay_keep_their_order_when_others_leave() -> None:
    one, other = batches(8), batches(8)
    members = [member(number) for number in range(4)]
    one.shuffle(members, 3)
    other.shuffle(members, 3)
    before, after = seen(one, 3), seen(other, 1)
    other.keep([1, 3])
    after += [other.take(step)[1] for step in (1, 2)]
    assert np.array_equal(before[1][[1, 3]], after[1])
    assert np.array_equal(before[2][[1, 3]], after[2])
