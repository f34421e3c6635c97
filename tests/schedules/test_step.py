import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import StepLR

from tunelab.schedules import Step

from .factors import TOTALS, alone, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["step"])
def test_equals_torch(schedule: Step, total: int) -> None:
    interval = math.ceil(round(schedule.every * total, 6))
    theirs = torch_factors(lambda optimizer, _: StepLR(optimizer, step_size=interval, gamma=schedule.gamma), total)
    # torch multiplies by gamma again and again: a rounding error for each of up to 9 drops
    np.testing.assert_allclose(alone(schedule, total), theirs, rtol=2e-15, atol=0)


def test_ends() -> None:
    factors = alone(Step(gamma=0.3, every=1 / 3), 100)
    assert factors[0] == 1
    assert factors[-1] == 0.3**2


@pytest.mark.parametrize(("every", "last"), [(1 / 3, 0.25), (0.5, 0.5), (1.0, 1.0)])
def test_the_budget_does_not_change_the_number_of_drops(every: float, last: float) -> None:
    schedule = Step(gamma=0.5, every=every)
    assert {alone(schedule, total)[-1] for total in range(30, 400)} == {last}


@pytest.mark.parametrize(("every", "total", "interval"), [(0.1, 30, 3), (0.7, 10, 7), (0.3, 100, 30), (0.01, 5, 1)])
def test_an_interval_is_whole_steps_whatever_the_rounding(every: float, total: int, interval: int) -> None:
    expected = 0.5 ** (np.arange(total) // interval)
    np.testing.assert_array_equal(alone(Step(gamma=0.5, every=every), total), expected)
