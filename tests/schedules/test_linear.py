import numpy as np
import pytest
from torch.optim.lr_scheduler import LinearLR

from tunelab.schedules import Linear

from .factors import TOTALS, alone, drift, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["linear"])
def test_equals_torch(schedule: Linear, total: int) -> None:
    def reference(optimizer, steps):
        return LinearLR(optimizer, start_factor=1.0, end_factor=schedule.final, total_iters=steps)

    np.testing.assert_allclose(alone(schedule, total), torch_factors(reference, total), rtol=0, atol=drift(total))


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_ends(final: float, total: int) -> None:
    factors = alone(Linear(final=final), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(final + (1 - final) / total, rel=1e-12)
