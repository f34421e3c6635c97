import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import MultiStepLR

from tunelab.schedules import MultiStep, Step

from .factors import TOTALS, alone, torch_factors
from .members import MEMBERS


def check(found: np.ndarray, schedule: MultiStep, total: int) -> None:
    milestones = [math.ceil(round(milestone * total, 6)) for milestone in schedule.milestones]
    theirs = torch_factors(lambda optimizer, _: MultiStepLR(optimizer, milestones, gamma=schedule.gamma), total)
    np.testing.assert_allclose(found, theirs, rtol=1e-15, atol=0)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", [*MEMBERS["multi-step"], *MEMBERS["multi-step, three"]])
def test_equals_torch(schedule: MultiStep, total: int) -> None:
    check(alone(schedule, total), schedule, total)


def test_a_milestone_twice_counts_twice() -> None:
    schedule = MultiStep(gamma=0.5, milestones=(0.75, 0.5, 0.5))
    check(alone(schedule, 100), schedule, 100)
    assert alone(schedule, 4).tolist() == [1, 1, 0.25, 0.125]


def test_a_drop_one_step_late_is_rejected() -> None:
    late = np.concatenate([[1.0], alone(MultiStep(), 100)[:-1]])
    with pytest.raises(AssertionError):
        check(late, MultiStep(), 100)


def test_a_milestone_is_a_whole_step_whatever_the_rounding() -> None:
    assert 0.07 * 100 > 7
    assert alone(MultiStep(gamma=0.5, milestones=(0.07,)), 100).tolist() == [1.0] * 7 + [0.5] * 93


def test_regular_milestones_are_steps() -> None:
    ours = alone(MultiStep(gamma=0.3, milestones=(0.25, 0.5, 0.75)), 60)
    np.testing.assert_allclose(ours, alone(Step(gamma=0.3, every=0.25), 60), rtol=1e-15)


@pytest.mark.parametrize(("total", "last"), [(1, 1.0), (2, 0.1), (3, 0.1), (4, 0.01), (100, 0.01), (999, 0.01)])
def test_ends(total: int, last: float) -> None:
    factors = alone(MultiStep(), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(last, rel=1e-15)
