import math

import numpy as np
import pytest

from tunelab.schedules import InverseSqrt

from .factors import TOTALS, alone


def check(found: np.ndarray, warmup: int) -> None:
    """Compare with the paper's formula, whose steps count from 1, over its largest value."""

    def noam(step: int) -> float:
        return min(step**-0.5, step * warmup**-1.5)

    closed = [noam(t + 1) / noam(warmup) for t in range(len(found))]
    np.testing.assert_allclose(found, closed, rtol=2e-15, atol=0)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("warmup", [0.05, 0.07, 0.5, 1.0])
def test_equals_the_paper(warmup: float, total: int) -> None:
    check(alone(InverseSqrt(warmup=warmup), total), math.ceil(round(warmup * total, 6)))


def test_steps_that_count_from_zero_are_rejected() -> None:
    t = np.arange(100)
    with pytest.raises(AssertionError), np.errstate(divide="ignore"):
        check(np.minimum(t / 5, np.sqrt(5 / t)), 5)


@pytest.mark.parametrize("total", TOTALS)
def test_ends(total: int) -> None:
    factors, rise = alone(InverseSqrt(), total), math.ceil(0.05 * total)
    assert factors[0] == 1 / rise
    assert factors[rise - 1] == factors.max() == 1
    assert factors[-1] == pytest.approx(math.sqrt(rise / total), rel=1e-15)
