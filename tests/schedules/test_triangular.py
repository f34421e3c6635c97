import numpy as np
import pytest
from torch.optim.lr_scheduler import CyclicLR

from tunelab.schedules import Triangular

from .factors import TOTALS, alone, torch_factors

CASES = [(0.2, 0.25, 100, 10), (0.5, 0.0, 100, 25), (1.0, 1.0, 100, 50), (0.07, 0.1, 999, 35), (0.2, 0.25, 7, 1)]


def check(found: np.ndarray, low: float, half: int, mode: str = "triangular") -> None:
    def reference(optimizer, _):
        return CyclicLR(optimizer, base_lr=low, max_lr=1.0, step_size_up=half, mode=mode, cycle_momentum=False)

    # torch takes the place in the cycle as a difference of numbers as large as the cycles before
    np.testing.assert_allclose(
        found, torch_factors(reference, len(found)), rtol=0, atol=1e-15 * (3 + len(found) / half)
    )


@pytest.mark.parametrize(("period", "low", "total", "half"), CASES)
def test_equals_torch(period: float, low: float, total: int, half: int) -> None:
    check(alone(Triangular(period=period, low=low), total), low, half)


@pytest.mark.parametrize(("period", "low", "total", "half"), CASES)
def test_equals_the_closed_form(period: float, low: float, total: int, half: int) -> None:
    up = np.arange(half) / half
    closed = low + (1 - low) * np.resize(np.concatenate([up, 1 - up]), total)
    np.testing.assert_allclose(alone(Triangular(period=period, low=low), total), closed, rtol=0, atol=1e-15)


def test_a_cycle_that_begins_at_the_top_or_is_a_step_too_long_is_rejected() -> None:
    right = alone(Triangular(), 100)
    check(right, 0.25, 10)
    for wrong in (1.25 - right, alone(Triangular(period=0.21), 100)):
        with pytest.raises(AssertionError):
            check(wrong, 0.25, 10)


@pytest.mark.parametrize("total", TOTALS)
def test_the_peak_is_reached_by_every_training_of_more_than_a_half(total: int) -> None:
    factors = alone(Triangular(period=1.0, low=0.1), total)
    assert factors[0] == pytest.approx(0.1)
    assert total < 2 or factors.max() == 1


def test_ends() -> None:
    factors = alone(Triangular(period=0.2, low=0.25), 100)
    assert factors[0] == 0.25
    assert factors[[10, 30, 50, 70, 90]].tolist() == [1] * 5
    assert factors[-1] == pytest.approx(0.25 + 0.75 / 10, rel=1e-14)
