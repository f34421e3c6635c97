"""Ranges: what they refuse, what stays inside them, and that draws through Optuna spread as they say."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler
from spaces import any_choice, any_float, any_int

from tunelab.contracts import Search
from tunelab.errors import SpaceError
from tunelab.plugins import CONTRACTS, listings, load
from tunelab.space import Choice, Float, Int, Range
from tunelab.study.suggest import OptunaSuggest

if TYPE_CHECKING:
    from tunelab.contracts import Plugin

NAN, INF = math.nan, math.inf
UNIT = st.floats(0, 1)
BIG = 10**400


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Float(2, 1), r"Float\(2.0, 1.0\): low must not be above high; did you swap them"),
        (lambda: Float(NAN, 1), "both ends must be finite"),
        (lambda: Float(0, NAN), "both ends must be finite"),
        (lambda: Float(-INF, 1), "both ends must be finite"),
        (lambda: Float(0, INF), "both ends must be finite"),
        (lambda: Float(0, BIG), "both ends must be finite"),
        (lambda: Float(0, 1, log=True), "log=True needs low > 0; raise low, or drop log=True"),
        (lambda: Float(-1, 1, log=True), "log=True needs low > 0"),
        (lambda: Float(0, 1, complement_log=True), "complement_log=True needs high < 1; lower high"),
        (lambda: Float(0, 2, complement_log=True), "complement_log=True needs high < 1"),
        (lambda: Float(0.1, 0.9, log=True, complement_log=True), "not both"),
        (lambda: Float("0.1", 1), "low must be a number, not str"),
        (lambda: Float(0, "1"), "high must be a number, not str"),
        (lambda: Float(False, 1), "low must be a number, not bool"),
        (lambda: Float(0, True), "high must be a number, not bool"),
        (lambda: Float(None, 1), "low must be a number, not NoneType"),
        (lambda: Float(1j, 1), "low must be a number, not complex"),
        (lambda: Int(2, 1), r"Int\(2, 1\): low must not be above high; did you swap them"),
        (lambda: Int(1.0, 2), "low must be a whole number, not float"),
        (lambda: Int(1, 2.5), "high must be a whole number, not float"),
        (lambda: Int(True, 2), "low must be a whole number, not bool"),
        (lambda: Int("1", 2), "low must be a whole number, not str"),
        (lambda: Int(1, 2, step=0), "step must be a whole number of 1 or more"),
        (lambda: Int(1, 2, step=-1), "step must be a whole number of 1 or more"),
        (lambda: Int(1, 2, step=0.5), "step must be a whole number of 1 or more"),
        (lambda: Int(0, 2, log=True), "log=True needs low >= 1"),
        (lambda: Int(1, 8, step=2, log=True), "log=True goes with step=1 only; use Choice"),
        (lambda: Choice(), "needs at least one option"),
        (lambda: Choice(1, 2, 1), "option 1 is there twice"),
        (lambda: Choice("sgd", "sgd"), "option 'sgd' is there twice"),
        (lambda: Choice(1, True), "option True is there twice"),
        (lambda: Choice(1, 1.0), "option 1.0 is there twice"),
        (lambda: Choice(1, Float(0, 1)), "option 1 is itself a range"),
        (lambda: Choice(Int(0, 1)), "option 0 is itself a range"),
        (lambda: Choice(Choice(1)), "option 0 is itself a range"),
    ],
)
def test_what_cannot_be_searched_is_refused(make: Callable[[], Range], says: str) -> None:
    with pytest.raises(SpaceError, match=says):
        make()


@given(any_float() | any_int() | any_choice())
def test_a_range_is_what_it_shows(range_: Range) -> None:
    assert eval(repr(range_), {"Float": Float, "Int": Int, "Choice": Choice, "inf": INF}) == range_


@given(any_float() | any_int() | any_choice(), any_float() | any_int() | any_choice())
def test_equal_ranges_show_the_same(one: Range, other: Range) -> None:
    assert (one == other) == (repr(one) == repr(other)) or isinstance(one, Choice)


def test_ends_become_plain_numbers() -> None:
    assert repr(Float(1, np.float64(2))) == "Float(1.0, 2.0)"
    assert repr(Int(np.int64(1), 2)) == "Int(1, 2)"


def test_a_range_cannot_change() -> None:
    with pytest.raises(AttributeError):
        Float(0, 1).low = 0.5  # type: ignore[misc]


@given(any_float(), UNIT)
@example(Float(-1e308, 1e308), 0.0)
@example(Float(-1e308, 1e308), 0.5)
def test_at_stays_inside(range_: Float, unit: float) -> None:
    assert range_.low <= range_.at(unit) <= range_.high


@given(any_float())
def test_at_runs_from_low_to_high(range_: Float) -> None:
    assert range_.at(0) == pytest.approx(range_.low, rel=1e-12, abs=1e-15)
    assert range_.at(1) == pytest.approx(range_.high, rel=1e-12, abs=1e-15)


@given(any_float(), UNIT, UNIT)
def test_at_does_not_fall(range_: Float, one: float, other: float) -> None:
    low, high = sorted((range_.at(min(one, other)), range_.at(max(one, other))))
    assert range_.at(min(one, other)) == pytest.approx(low, rel=1e-9, abs=1e-300)
    assert range_.at(max(one, other)) == pytest.approx(high, rel=1e-9, abs=1e-300)


@given(any_float(), st.floats(allow_nan=False))
def test_clip_returns_the_nearest_real_number(range_: Float, value: float) -> None:
    clipped = range_.clip(value)
    assert range_.low <= clipped <= range_.high
    assert clipped == value or not range_.low <= value <= range_.high


@given(any_int(), st.integers(-(10**10), 10**10))
def test_clip_returns_the_nearest_whole_number(range_: Int, value: int) -> None:
    clipped = range_.clip(value)
    assert clipped in range_.grid()
    for neighbour in (clipped - range_.step, clipped + range_.step):
        assert neighbour not in range_.grid() or abs(clipped - value) <= abs(neighbour - value)


@given(any_int())
def test_a_grid_holds_the_whole_numbers_from_low(range_: Int) -> None:
    grid = range_.grid()
    assert grid[0] == range_.low
    assert range_.high - range_.step < grid[-1] <= range_.high


# ---- statistics: 5,000 draws through Optuna's random sampler


def draws(ranges: dict[str, Range], count: int = 5_000) -> dict[str, list[Any]]:
    """Return what a random search of these ranges tries."""
    study = optuna.create_study(sampler=RandomSampler(seed=11))
    found: dict[str, list[Any]] = {name: [] for name in ranges}
    for _ in range(count):
        suggest = OptunaSuggest(study.ask())
        for name, range_ in ranges.items():
            if isinstance(range_, Choice):
                found[name].append(suggest.option(name, range_.options, None))
            else:
                found[name].append(suggest.number(name, range_, None))
    return found


def assert_spread(range_: Range, values: list[Any]) -> None:
    """Assert that draws lie inside, fill the range, and are uniform on the axis that the range names."""
    if isinstance(range_, Float):
        assert all(type(value) is float and range_.low <= value <= range_.high for value in values)
        assert_uniform(np.array([on_axis(range_, value) for value in values]))
    else:
        options = list(range_.grid()) if isinstance(range_, Int) else list(range_.options)
        assert set(values) == set(options)
        counts = np.array([values.count(option) for option in options])
        expected = np.array(shares(range_)) * len(values)
        assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def on_axis(range_: Float, value: float) -> float:
    """Return how far along its axis a value lies, 0 to 1: written anew here, from the definition."""
    if range_.log:
        return math.log(value / range_.low) / math.log(range_.high / range_.low)
    if range_.complement_log:
        return math.log((1 - value) / (1 - range_.low)) / math.log((1 - range_.high) / (1 - range_.low))
    return (value - range_.low) / (range_.high - range_.low)


def shares(range_: Int | Choice) -> list[float]:
    if isinstance(range_, Int) and range_.log:
        whole = math.log((range_.high + 0.5) / (range_.low - 0.5))
        return [math.log((k + 0.5) / (k - 0.5)) / whole for k in range_.grid()]
    count = len(range_.grid()) if isinstance(range_, Int) else len(range_.options)
    return [1 / count] * count


def assert_uniform(unit: np.ndarray) -> None:
    """Kolmogorov and Smirnov's distance, at p = 0.001; and both ends come near."""
    n = len(unit)
    ordered, steps = np.sort(unit), np.arange(n + 1) / n
    distance = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    assert distance * math.sqrt(n) < 1.95
    assert ordered[0] < 10 / n
    assert ordered[-1] > 1 - 10 / n


SPREAD: dict[str, Range] = {
    "plain": Float(-2, 3),
    "log": Float(1e-5, 10, log=True),
    "near one": Float(0.5, 0.9999, complement_log=True),
    "from zero": Float(0, 0.99, complement_log=True),
    "whole": Int(3, 9),
    "steps": Int(2, 9, step=3),
    "steps that leave a rest": Int(2, 10, step=3),
    "whole, log": Int(1, 12, log=True),
    "options": Choice(16, 32, "full", None),
}


def test_draws_spread_as_the_range_says() -> None:
    found = draws(SPREAD)
    for name, range_ in SPREAD.items():
        assert_spread(range_, found[name])


def test_the_statistics_tell_one_axis_from_another() -> None:
    values = draws({"near one": SPREAD["near one"]})["near one"]
    with pytest.raises(AssertionError):
        assert_spread(Float(0.5, 0.9999), values)
    with pytest.raises(AssertionError):
        assert_spread(Float(0.5, 0.9999, log=True), values)


def built_in() -> dict[str, Range]:
    """Return every range of every plugin that comes with tunelab."""
    plugins: list[type[Plugin]] = [load(kind, name) for kind in CONTRACTS for name in listings(kind)]
    own = [plugin for plugin in plugins if plugin.__module__.startswith("tunelab.")]
    return {
        f"{plugin.__name__}.{name}": range_
        for plugin in own
        for name, range_ in plugin.ranges().items()
        if not isinstance(range_, Search)
    }


def test_every_range_of_every_plugin_is_filled_on_its_axis() -> None:
    ranges = built_in()
    assert len(ranges) > 20
    found = draws(ranges, 1_500)
    for name, range_ in ranges.items():
        assert_spread(range_, found[name])
