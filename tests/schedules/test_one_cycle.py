import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import OneCycleLR

from tunelab.schedules import OneCycle

from .factors import alone, torch_factors


def check(found: np.ndarray, schedule: OneCycle) -> None:
    def reference(optimizer, steps):
        div = {"div_factor": 1 / schedule.start, "final_div_factor": schedule.start / schedule.final}
        return OneCycleLR(optimizer, 1.0, total_steps=steps, pct_start=schedule.rise, cycle_momentum=False, **div)

    np.testing.assert_allclose(found, torch_factors(reference, len(found)), rtol=0, atol=1e-15)


@pytest.mark.parametrize("total", [4, 7, 100, 999])
@pytest.mark.parametrize(
    "schedule",
    [
        OneCycle(),
        OneCycle(rise=0.5, start=0.1, final=0.01),
        OneCycle(rise=0.9, start=1.0, final=1.0),
        OneCycle(rise=0.37),
    ],
)
def test_equals_torch(schedule: OneCycle, total: int) -> None:
    check(alone(schedule, total), schedule)


def test_the_defaults_are_torchs() -> None:
    theirs = torch_factors(lambda o, steps: OneCycleLR(o, 1.0, total_steps=steps, cycle_momentum=False), 100)
    np.testing.assert_allclose(alone(OneCycle(), 100), theirs, rtol=0, atol=1e-15)


def test_a_cycle_that_ends_a_step_late_or_runs_along_straight_lines_is_rejected() -> None:
    with pytest.raises(AssertionError):
        check(alone(OneCycle(), 101)[:-1], OneCycle())
    straight = np.interp(np.arange(100), [0, 29, 99], [1 / 25, 1, 1 / 25e4])
    with pytest.raises(AssertionError):
        check(straight, OneCycle())


@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_training_too_short_to_rise_begins_at_the_peak(total: int) -> None:
    factors = alone(OneCycle(), total)
    assert factors[0] == 1
    assert total == 1 or factors[-1] == pytest.approx(1 / 25e4, rel=1e-10)


@pytest.mark.parametrize(("rise", "total"), [(0.3, 100), (0.5, 10), (0.2, 10)])
def test_ends_and_peak(rise: float, total: int) -> None:
    factors = alone(OneCycle(rise=rise), total)
    assert factors[0] == pytest.approx(1 / 25, rel=1e-15)
    assert factors[-1] == pytest.approx(1 / 25e4, rel=1e-10)
    assert factors.argmax() == round(rise * total) - 1
    assert factors.max() == pytest.approx(1, abs=1e-15)
    middle = factors[(round(rise * total) - 1) // 2] if round(rise * total) % 2 else None
    assert middle is None or middle == pytest.approx((1 + 1 / 25) / 2, rel=1e-12)
    assert math.isfinite(factors.sum())
