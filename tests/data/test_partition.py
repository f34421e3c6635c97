import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunelab.data.partition import partition
from tunelab.errors import DataError

groups = st.lists(st.integers(1, 30), min_size=1, max_size=8).flatmap(
    lambda sizes: st.permutations(np.repeat(np.arange(len(sizes)), sizes).tolist()).map(np.array)
)
share = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.25, 1 / 3, 0.5]), st.floats(0, 0.9))
seeds = st.integers(0, 2**32)


def attempt(groups, validation, test, seed):
    assume(validation + test < 1 - 1e-9)
    try:
        return partition(groups, validation=validation, test=test, seed=seed)
    except DataError:
        assume(False)


@given(groups, share, share, seeds)
def test_parts_are_disjoint_and_cover_all_rows(groups, validation, test, seed):
    parts = attempt(groups, validation, test, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(groups)))


@given(groups, share, share, seeds)
def test_every_group_keeps_its_share_to_within_one_row(groups, validation, test, seed):
    parts = attempt(groups, validation, test, seed)
    for group in np.unique(groups):
        size = (groups == group).sum()
        for rows, part in zip(parts, (1 - validation - test, validation, test), strict=True):
            assert abs((groups[rows] == group).sum() - part * size) < 1 + 1e-8


@given(groups, share, share, seeds)
def test_every_group_is_trained_on(groups, validation, test, seed):
    train, _, _ = attempt(groups, validation, test, seed)
    assert set(groups[train]) == set(groups)


@given(groups, share, share, seeds)
def test_the_seed_alone_decides(groups, validation, test, seed):
    first, second = (attempt(groups, validation, test, seed) for _ in range(2))
    other = attempt(groups, validation, test, seed + 1)
    for a, b, c in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert len(a) == len(c)


def test_seeds_differ():
    first, other = (partition(np.zeros(100, int), validation=0.2, test=0, seed=seed)[1] for seed in (0, 1))
    assert set(first) != set(other)


def test_rows_are_drawn_evenly():
    """Each row is held out in a fifth of 2,000 seeds: 400, with a standard deviation of 18."""
    held = np.zeros(20)
    for seed in range(2000):
        held[partition(np.repeat([0, 1], 10), validation=0.2, test=0, seed=seed)[1]] += 1
    assert abs(held - 400).max() < 5 * 18


def test_the_split_of_a_seed_is_pinned():
    """A study is resumed on the rows that it was started on."""
    train, validation, test = partition(np.array([0, 1] * 5), validation=0.2, test=0.2, seed=0)
    assert (train.tolist(), validation.tolist(), test.tolist()) == ([4, 6, 2, 7, 3, 5], [9, 0], [8, 1])


@pytest.mark.parametrize(("rows", "share", "want"), [(10, 0.2, 2), (1797, 0.2, 359), (442, 0.2, 88), (3, 0.2, 1)])
def test_totals_without_groups_are_rounded(rows, share, want):
    assert len(partition(np.zeros(rows, int), validation=share, test=0.0, seed=0)[1]) == want


def test_a_group_of_one_row_is_trained_on():
    train, _, _ = partition(np.array([0] * 20 + [1]), validation=0.5, test=0.4, seed=0)
    assert 20 in train


@pytest.mark.parametrize("share", [-0.1, 1, 1.0, 20, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_share_out_of_range_is_refused(name, share):
    shares = {"validation": 0.0, "test": 0.0, name: share}
    with pytest.raises(DataError, match=f"^{name} must be a share of the rows, .*was {share}$"):
        partition(np.zeros(10, int), **shares, seed=0)


def test_shares_that_leave_nothing_to_train_on_are_refused():
    for test in (0.4, 0.5, np.nextafter(0.4, 0)):
        with pytest.raises(DataError, match=r"validation=0.6 and test=.* leave no rows to train on"):
            partition(np.zeros(10, int), validation=0.6, test=test, seed=0)


@pytest.mark.parametrize(("name", "rows"), [("validation", 1), ("validation", 4), ("test", 4)])
def test_an_empty_part_is_refused(name, rows):
    shares = {"validation": 0.0, "test": 0.0, name: 0.05}
    with pytest.raises(DataError, match=f"^{name}=0.05 of {rows} rows leaves the {name} part empty; raise"):
        partition(np.zeros(rows, int), **shares, seed=0)


def test_an_empty_part_of_many_small_classes_is_refused():
    with pytest.raises(DataError, match=r"^validation=0.5 of 4 rows in 4 classes leaves the validation part empty"):
        partition(np.arange(4), validation=0.5, test=0.0, seed=0)
