import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR

from tunelab.schedules import Cosine

from .factors import TOTALS, alone, drift, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["cosine"])
def test_equals_torch(schedule: Cosine, total: int) -> None:
    def reference(optimizer, steps):
        return CosineAnnealingLR(optimizer, T_max=steps, eta_min=schedule.final)

    np.testing.assert_allclose(alone(schedule, total), torch_factors(reference, total), rtol=0, atol=drift(total))


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_ends(final: float, total: int) -> None:
    factors = alone(Cosine(final=final), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(final + (1 - final) * math.sin(math.pi / (2 * total)) ** 2, rel=1e-9)


def test_the_last_of_100_steps_is_not_wasted() -> None:
    assert alone(Cosine(), 100)[-1] == pytest.approx(2.467e-4, rel=1e-3)
