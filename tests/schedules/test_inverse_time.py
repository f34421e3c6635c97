import numpy as np
import pytest
from torch.optim.lr_scheduler import LambdaLR

from tunelab.schedules import InverseTime

from .factors import TOTALS, alone, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["inverse-time"])
def test_equals_torch(schedule: InverseTime, total: int) -> None:
    theirs = torch_factors(
        lambda optimizer, _: LambdaLR(optimizer, lambda t: 1 / (1 + schedule.rate * t / total)), total
    )
    np.testing.assert_allclose(alone(schedule, total), theirs, rtol=1e-15, atol=0)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("rate", [0.0, 1.0, 10.0, 300.0])
def test_ends(rate: float, total: int) -> None:
    factors = alone(InverseTime(rate=rate), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(1 / (1 + rate * (total - 1) / total), rel=1e-14)
    assert factors[-1] >= 1 / (1 + rate)
