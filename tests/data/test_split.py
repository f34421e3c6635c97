import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tunelab.contracts import Inputs, Outputs, Table
from tunelab.data import Diabetes, Digits, Split, Wine, split
from tunelab.errors import DataError

PARTS = ("train", "validation", "test")
scales = st.sampled_from(["standard", "minmax", "none"])
numbers = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


@st.composite
def tables(draw):
    rows = draw(st.integers(10, 40))
    x = draw(arrays(np.float64, (rows, draw(st.integers(1, 4))), elements=numbers))
    if draw(st.booleans()):
        y = np.arange(rows) % draw(st.integers(2, 3))
        return Table(x, y, "classes", tuple("abc"[: y.max() + 1]))
    return Table(x, draw(arrays(np.float64, (rows, draw(st.integers(1, 2))), elements=numbers)), "values")


def with_row_numbers(table):
    """The same table with a first column that says which row it is."""
    return Table(np.column_stack([np.arange(len(table.x)), table.x]), table.y, table.targets, table.classes)


@given(tables(), st.integers(0, 99))
def test_every_row_is_in_one_part_with_its_own_target(table, seed):
    numbered = with_row_numbers(table)
    parts = split(numbered, validation=0.3, test=0.2, seed=seed, scale="none", scale_targets=False)
    for part in PARTS:
        x, y = getattr(parts, f"x_{part}"), getattr(parts, f"y_{part}")
        rows = x[:, 0].astype(int)
        np.testing.assert_array_equal(x, numbered.x[rows])
        np.testing.assert_array_equal(y, numbered.y[rows])
    together = np.concatenate([getattr(parts, f"x_{part}")[:, 0] for part in PARTS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(table.x)))


@given(tables(), scales, st.integers(0, 99))
def test_held_out_rows_do_not_reach_the_scaling(table, scale, seed):
    rows = split(with_row_numbers(table), seed=seed, scale="none").x_validation[:, 0].astype(int)
    x = table.x.copy()
    x[rows] = 2 * x[rows] + 7
    changed = Table(x, table.y, table.targets, table.classes)
    before, after = split(table, seed=seed, scale=scale), split(changed, seed=seed, scale=scale)
    for field in ("x_train", "shift", "spread"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))
    np.testing.assert_array_equal(after.x_validation, (x[rows] - after.shift) / after.spread)


@given(tables(), scales, st.integers(0, 99))
def test_the_seed_alone_decides(table, scale, seed):
    first, second = (split(table, validation=0.3, test=0.2, seed=seed, scale=scale) for _ in range(2))
    for field in ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test", "shift", "spread"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


@given(tables(), scales)
def test_shapes_and_types(table, scale):
    parts = split(table, validation=0.3, test=0.2, seed=0, scale=scale)
    for part in PARTS:
        x, y = getattr(parts, f"x_{part}"), getattr(parts, f"y_{part}")
        assert x.dtype == np.float64
        assert x.flags.c_contiguous
        assert y.flags.c_contiguous
        assert len(x) == len(y) == parts.rows[part]
        assert x.shape[1] == table.x.shape[1]
        assert (y.dtype, y.ndim) == ((np.int64, 1) if table.targets == "classes" else (np.float64, 2))
    assert parts.shift.shape == parts.spread.shape == (table.x.shape[1],)
    assert parts.target_shift.shape == parts.target_spread.shape == (table.outputs,)
    assert (parts.targets, parts.outputs, parts.classes) == (table.targets, table.outputs, table.classes)


def test_standard_scaling_gives_the_training_part_mean_0_and_variance_1():
    parts = split(Wine().load(), seed=1)
    np.testing.assert_allclose(parts.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(parts.x_train.var(axis=0), 1)
    assert abs(parts.x_validation.mean(axis=0)).max() > 0.01


def test_minmax_scaling_takes_the_training_part_to_0_and_1():
    parts = split(Wine().load(), seed=1, scale="minmax")
    np.testing.assert_array_equal(parts.x_train.min(axis=0), 0)
    np.testing.assert_array_equal(parts.x_train.max(axis=0), 1)


def test_no_scaling_leaves_the_values_alone():
    table = Digits().load()
    parts = split(table, seed=1, scale="none")
    assert set(np.unique(parts.x_train)) <= set(np.unique(table.x))
    np.testing.assert_array_equal(parts.shift, 0)
    np.testing.assert_array_equal(parts.spread, 1)


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e15])
def test_a_constant_column_becomes_zero(scale, value):
    table = Table(np.column_stack([np.full(30, value), np.arange(30.0)]), np.arange(30) % 2, "classes", ("a", "b"))
    parts = split(table, scale=scale)
    np.testing.assert_array_equal(parts.x_train[:, 0], 0)
    assert (parts.shift[0], parts.spread[0]) == (value, 1)


def images(rows=50):
    dice = np.random.default_rng(3)
    x = dice.standard_normal((rows, 3, 2, 4)) * np.array([1.0, 5.0, 0.0])[:, None, None] + 2
    x[:, :, 0, 0] = 2
    return Table(x.reshape(rows, -1), np.arange(rows) % 2, "classes", ("a", "b"), shape=(3, 2, 4))


def test_of_an_image_each_channel_is_scaled_as_a_whole():
    table = images()
    parts = split(table, scale="standard")
    shift, spread = parts.shift.reshape(3, 8), parts.spread.reshape(3, 8)
    assert (np.ptp(shift, axis=1), np.ptp(spread, axis=1)) == (pytest.approx([0] * 3), pytest.approx([0] * 3))
    scaled = parts.x_train.reshape(-1, 3, 2, 4)
    np.testing.assert_allclose(scaled.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.var((0, 2, 3)), [1, 1, 0])
    within = split(table, scale="minmax").x_train.reshape(-1, 3, 2, 4)
    assert (within.min((0, 2, 3)).tolist(), within.max((0, 2, 3)).tolist()) == ([0, 0, 0], [1, 1, 0])


def test_features_that_lie_from_0_to_1_are_known_to():
    table = images()
    assert [split(table, scale=scale).inputs.unit for scale in ("none", "standard", "minmax")] == [False, False, True]
    assert split(Digits().load(), scale="none").inputs == Inputs((1, 8, 8), unit=True)


def test_symbols_are_never_scaled():
    table = Table(np.arange(20.0)[:, None], np.arange(20) % 2, "classes", ("a", "b"), symbols=20)
    np.testing.assert_array_equal(np.sort(split(table, scale="none", validation=0.0).x_train[:, 0]), np.arange(20))
    for scale in ("standard", "minmax"):
        with pytest.raises(DataError, match=f"scale='{scale}': .* are symbols, .*; use scale='none'"):
            split(table, scale=scale)


def test_values_are_standardised_and_mapped_back():
    table = Diabetes().load()
    parts, raw = split(table, seed=2), split(table, seed=2, scale_targets=False)
    np.testing.assert_allclose(parts.y_train.var(), 1)
    np.testing.assert_allclose(parts.y_validation * parts.target_spread + parts.target_shift, raw.y_validation)
    np.testing.assert_array_equal(parts.target_shift, raw.y_train.mean(axis=0))
    assert (raw.target_shift, raw.target_spread) == (0, 1)


def test_classes_are_never_scaled():
    parts = split(Wine().load(), scale_targets=True)
    np.testing.assert_array_equal(parts.target_shift, np.zeros(3))
    np.testing.assert_array_equal(parts.target_spread, np.ones(3))


def test_a_part_that_was_not_asked_for_has_no_rows():
    parts = split(Diabetes().load(), validation=0.0)
    assert parts.rows == {"train": 442, "validation": 0, "test": 0}
    assert (parts.x_test.shape, parts.y_test.shape) == ((0, 10), (0, 1))


def test_the_table_is_left_alone():
    table = Diabetes().load()
    parts = split(table, validation=0.0, scale="none", scale_targets=False)
    parts.x_train[:], parts.y_train[:] = 0, 0
    np.testing.assert_array_equal(table.x, Diabetes().load().x)
    np.testing.assert_array_equal(table.y, Diabetes().load().y)


@pytest.mark.parametrize(
    ("scale", "column"),
    [
        ("standard", [1e308, -1e308] * 5),
        ("minmax", [1.7e308, -1.7e308] * 5),
        ("none", [float("nan")] * 10),
        ("standard", [float("inf")] * 10),
    ],
)
def test_a_column_that_cannot_be_scaled_is_refused(scale, column):
    table = Table(np.column_stack([np.arange(10.0), column]), np.arange(10.0)[:, None], "values")
    with pytest.raises(DataError, match="column 1 of x is not finite once it is scaled"):
        split(table, scale=scale)


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="no rows"):
        split(Table(np.zeros((0, 2)), np.zeros((0, 1)), "values"))


def test_one_row_cannot_be_split():
    with pytest.raises(DataError, match="leaves the validation part empty"):
        split(Table(np.zeros((1, 2)), np.zeros((1, 1)), "values"))


def test_a_class_for_every_place_of_a_row_goes_with_its_row():
    y = np.arange(60).reshape(20, 3) % 7
    table = Table(np.arange(20.0)[:, None], y, "classes", tuple("abcdefg"))
    parts = split(table, scale="none", test=0.2)
    assert (parts.outputs, parts.places, parts.inputs) == (7, 3, Inputs((1,)))
    assert Outputs(parts.outputs, parts.places).shape == (3, 7)
    for part in PARTS:
        x, found = getattr(parts, f"x_{part}"), getattr(parts, f"y_{part}")
        np.testing.assert_array_equal(found, y[x[:, 0].astype(int)])
        assert found.dtype == np.int64


def test_one_class_or_several_values_a_row_have_no_places():
    for table in (Wine().load(), Diabetes().load(), Table(np.eye(4), np.ones((4, 3)), "values")):
        parts = split(table)
        assert (parts.places, Outputs(parts.outputs, parts.places).shape) == (0, (table.outputs,))


def test_none_is_one_row_without_features():
    nothing = Split.none()
    assert (nothing.x_train.shape, nothing.y_train.shape, nothing.targets) == ((1, 0), (1, 0), "none")
    assert (nothing.inputs, nothing.places) == (Inputs((0,)), 0)
    assert (nothing.rows, nothing.outputs) == ({"train": 1, "validation": 0, "test": 0}, 0)
