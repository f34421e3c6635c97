"""Rows in memory as a feed: what is trained on, tried and measured."""

import numpy as np
import pytest

from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.training.feed import Arrays

X, Y = np.arange(46.0).reshape(23, 2), np.arange(23)
FEED = Arrays({"train_": (X, Y), "val_": (X[:5], Y[:5])})


@pytest.mark.parametrize(("size", "steps"), [(1, 23), (5, 5), (22, 2), (23, 1), (40, 1)])
def test_a_pass_has_as_many_steps_as_it_takes(size: int, steps: int) -> None:
    assert FEED.steps(size) == steps


def test_a_step_is_so_many_rows_or_all() -> None:
    assert (FEED.size(7), FEED.size("full"), FEED.rows) == (7, 23, 23)


def test_a_sample_is_the_rows_of_one_step() -> None:
    x, y = FEED.sample(7)
    assert np.array_equal(x, X[:7])
    assert np.array_equal(y, Y[:7])


def test_all_rows_of_all_parts_are_measured_in_blocks() -> None:
    feed = Arrays({"train_": (np.arange(500.0)[:, None], np.arange(500)), "val_": (X, Y)})
    found = {prefix: list(parts) for prefix, parts in feed.measured().items()}
    assert [len(x) for x, _ in found["train_"]] == [ROWS_A_BLOCK, ROWS_A_BLOCK, 500 - 2 * ROWS_A_BLOCK]
    assert np.array_equal(np.concatenate([y for _, y in found["train_"]]), np.arange(500))
    assert np.array_equal(found["val_"][0][0], X)


def test_members_always_take_their_steps_together() -> None:
    assert FEED.apart(7) is None
    assert not FEED.tallies
