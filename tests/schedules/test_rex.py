import numpy as np
import pytest
from torch.optim.lr_scheduler import LambdaLR

from tunelab.contracts import Hyper
from tunelab.schedules import REX, Linear

from .factors import TOTALS, alone, torch_factors


def check(found: np.ndarray) -> None:
    total = len(found)
    paper = torch_factors(
        lambda o, _: LambdaLR(o, lambda t: (1 - t / total) / (1 / 2 + 1 / 2 * (1 - t / total))), total
    )
    np.testing.assert_allclose(found, paper, rtol=1e-15, atol=0)


@pytest.mark.parametrize("total", TOTALS)
def test_equals_the_paper(total: int) -> None:
    check(alone(REX(), total))


def test_a_line_and_a_schedule_a_step_late_are_rejected() -> None:
    for wrong in (alone(Linear(), 100), np.concatenate([[1.0], alone(REX(), 100)[:-1]])):
        with pytest.raises(AssertionError):
            check(wrong)


@pytest.mark.parametrize("total", TOTALS)
def test_ends(total: int) -> None:
    factors = alone(REX(), total)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(2 / (total + 1), rel=1e-12)
    assert (factors >= alone(Linear(), total)).all()


def test_what_has_reached_zero_stays_there() -> None:
    steps = np.arange(10, 25).reshape(-1, 1, 1)
    assert (REX().factor(Hyper(), steps, np.array([[10]])) == 0).all()
