import numpy as np
import pytest
from torch.optim.lr_scheduler import LambdaLR, PolynomialLR

from tunelab.schedules import Linear, Polynomial

from .factors import TOTALS, alone, drift, torch_factors
from .members import MEMBERS


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 4.0])
def test_equals_torch(power: float, total: int) -> None:
    theirs = torch_factors(lambda optimizer, steps: PolynomialLR(optimizer, total_iters=steps, power=power), total)
    np.testing.assert_allclose(alone(Polynomial(power=power), total), theirs, rtol=0, atol=drift(total))


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("schedule", MEMBERS["polynomial"])
def test_equals_the_closed_form(schedule: Polynomial, total: int) -> None:
    def closed(t: int) -> float:
        return schedule.final + (1 - schedule.final) * (1 - t / total) ** schedule.power

    theirs = torch_factors(lambda optimizer, _: LambdaLR(optimizer, closed), total)
    np.testing.assert_allclose(alone(schedule, total), theirs, rtol=1e-15, atol=0)


@pytest.mark.parametrize("total", TOTALS)
def test_power_one_is_linear(total: int) -> None:
    ours = alone(Polynomial(power=1.0, final=0.2), total)
    np.testing.assert_allclose(ours, alone(Linear(final=0.2), total), rtol=1e-14, atol=0)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_ends(final: float, total: int) -> None:
    factors = alone(Polynomial(power=2.0, final=final), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(final + (1 - final) / total**2, rel=1e-10)
