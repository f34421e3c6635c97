import numpy as np
import pytest
from torch.optim.lr_scheduler import ExponentialLR

from tunelab.schedules import Exponential

from .factors import TOTALS, alone, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["exponential"])
def test_equals_torch(schedule: Exponential, total: int) -> None:
    gamma = schedule.final ** (1 / total)
    theirs = torch_factors(lambda optimizer, _: ExponentialLR(optimizer, gamma=gamma), total)
    # torch multiplies by a rounded gamma at each step: the error grows with the steps
    np.testing.assert_allclose(alone(schedule, total), theirs, rtol=3e-16 * (total + 3), atol=1e-15)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("final", [1e-4, 0.01, 0.5])
def test_ends(final: float, total: int) -> None:
    factors = alone(Exponential(final=final), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(final ** (1 - 1 / total), rel=1e-14)
