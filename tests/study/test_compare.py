"""Two curves are compared epoch by epoch, and nothing is passed over."""

from math import inf, nan

import pytest

from tunelab.study.compare import Point, compare
from tunelab.trial import Curve

BEFORE = {"loss": Curve((1, 2, 3), (1.0, 0.5, 0.25))}


def now(*values: float, epochs: tuple[int, ...] = (1, 2, 3)) -> dict[str, Curve]:
    return {"loss": Curve(epochs[: len(values)], values)}


def test_equal_curves_do_not_differ() -> None:
    (same,) = compare(BEFORE, now(1.0, 0.5, 0.25), 0.0)
    assert (same.points, same.differing, same.largest) == (3, (), 0.0)
    assert same.last == Point(3, 0.25, 0.25)


@pytest.mark.parametrize(("tolerance", "differs"), [(0.0, True), (1e-5, True), (2e-4, False)])
def test_the_tolerance_is_relative(tolerance: float, differs: bool) -> None:
    (found,) = compare(BEFORE, now(1.0, 0.5, 0.25 * (1 + 1e-4)), tolerance)
    assert bool(found.differing) is differs
    assert found.largest == pytest.approx(1e-4, rel=1e-3)


def test_what_one_of_them_lacks_differs_whatever_the_tolerance() -> None:
    (shorter,) = compare(BEFORE, now(1.0, 0.5), 1.0)
    assert shorter.differing == (Point(3, 0.25, None),)
    first, second = compare(BEFORE, {**now(1.0, 0.5, 0.25), "lr": Curve((1,), (0.1,))}, 1.0)
    assert (first.differing, second.metric, second.differing) == ((), "lr", (Point(1, None, 0.1),))


def test_not_a_number_equals_itself_alone() -> None:
    assert not compare({"loss": Curve((1,), (nan,))}, now(nan), 0.0)[0].differing
    assert compare({"loss": Curve((1,), (nan,))}, now(1.0), 1.0)[0].differing
    assert compare({"loss": Curve((1,), (1.0,))}, now(nan), 1.0)[0].largest == inf


def test_an_infinity_is_what_mlflow_makes_of_it() -> None:
    (found,) = compare({"loss": Curve((1, 2), (1.7976931348623157e308, -1.7976931348623157e308))}, now(inf, -inf), 0.0)
    assert not found.differing
