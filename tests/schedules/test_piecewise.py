import math

import numpy as np
import pytest

from tunelab.schedules import MultiStep, OneCycle, Piecewise, Triangular

from .factors import TOTALS, alone

POINTS = ((0.0, 0.07, 0.5, 0.9), (0.3, 1.0, 0.2, 0.05))


def check(found: np.ndarray, shape: str) -> None:
    total, (at, values) = len(found), POINTS
    if shape == "linear":
        closed = np.interp(np.arange(total) / total, at, values)
    else:
        begin = [math.ceil(round(part * total, 6)) for part in at]
        closed = np.array([[v for b, v in zip(begin, values, strict=True) if b <= t][-1] for t in range(total)])
    np.testing.assert_allclose(found, closed, rtol=0, atol=1e-15)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("shape", ["constant", "linear"])
def test_equals_the_closed_form(shape: str, total: int) -> None:
    check(alone(Piecewise(at=POINTS[0], values=POINTS[1], shape=shape), total), shape)


def test_stairs_for_lines_and_lines_for_stairs_are_rejected() -> None:
    for shape, wrong in (("constant", "linear"), ("linear", "constant")):
        with pytest.raises(AssertionError):
            check(alone(Piecewise(at=POINTS[0], values=POINTS[1], shape=wrong), 100), shape)


def test_stairs_of_one_height_are_multi_step() -> None:
    np.testing.assert_allclose(alone(Piecewise(), 100), alone(MultiStep(), 100), rtol=1e-15)


def test_lines_up_and_down_are_triangular() -> None:
    lines = Piecewise(at=(0.0, 0.5, 1.0), values=(0.25, 1.0, 0.25), shape="linear")
    np.testing.assert_allclose(alone(lines, 100), alone(Triangular(period=1.0), 100), rtol=0, atol=1e-15)
    assert not np.allclose(alone(lines, 100), alone(OneCycle(rise=0.5, start=0.25, final=0.25), 100), atol=0.01)


def test_ends() -> None:
    late = Piecewise(at=(0.5, 1.0), values=(0.4, 0.2), shape="linear")
    assert alone(late, 10)[:6].tolist() == [0.4] * 6
    assert alone(late, 10)[-1] == pytest.approx(0.24)
    assert alone(Piecewise(at=(0.5, 1.0), values=(0.4, 0.2)), 10).tolist() == [0.4] * 10
    assert alone(Piecewise(at=(0.3,), values=(0.7,)), 5).tolist() == [0.7] * 5
    assert alone(Piecewise(), 100)[[0, 49, 50, 74, 75, 99]].tolist() == [1, 1, 0.1, 0.1, 0.01, 0.01]
