import numpy as np
import pytest

from tunelab.schedules import Triangular, Triangular2

from .factors import TOTALS, alone
from .test_triangular import CASES, check


@pytest.mark.parametrize(("period", "low", "total", "half"), CASES)
def test_equals_torch(period: float, low: float, total: int, half: int) -> None:
    check(alone(Triangular2(period=period, low=low), total), low, half, "triangular2")


def test_a_cycle_that_is_not_halved_or_halved_with_its_low_is_rejected() -> None:
    plain = alone(Triangular(), 100)
    for wrong in (plain, plain / 2.0 ** (np.arange(100) // 20)):
        with pytest.raises(AssertionError):
            check(wrong, 0.25, 10, "triangular2")


@pytest.mark.parametrize("total", TOTALS)
def test_one_period_is_triangular(total: int) -> None:
    np.testing.assert_array_equal(alone(Triangular2(period=1.0), total), alone(Triangular(period=1.0), total))


def test_ends() -> None:
    factors = alone(Triangular2(period=0.2, low=0.25), 100)
    assert factors[0] == 0.25
    assert factors[[10, 30, 50]].tolist() == [1, 0.625, 0.4375]
    assert factors[-1] == pytest.approx(0.25 + 0.75 / (10 * 2**4), rel=1e-14)
