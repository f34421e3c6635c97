import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from tunelab.schedules import SGDR, Cosine

from .factors import TOTALS, alone, torch_factors

PERIODS = [(7, 2, 49), (10, 1, 100), (3, 3, 100), (1, 1, 9), (1, 2, 63), (100, 2, 100), (7, 1, 100), (33, 5, 999)]


def check(found: np.ndarray, first: int, mult: int, final: float) -> None:
    def reference(optimizer, _):
        return CosineAnnealingWarmRestarts(optimizer, T_0=first, T_mult=mult, eta_min=final)

    np.testing.assert_allclose(found, torch_factors(reference, len(found)), rtol=0, atol=1e-15)


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("first", "mult", "total"), PERIODS)
def test_equals_torch(first: int, mult: int, total: int, final: float) -> None:
    check(alone(SGDR(first=first / total, mult=float(mult), final=final), total), first, mult, final)


def test_periods_that_grow_by_a_sum_or_start_a_step_late_are_rejected() -> None:
    wrong = np.concatenate([alone(Cosine(), length) for length in (7, 14, 21)])  # 7, 14, 28
    check(wrong[:21], 7, 2, 0.0)
    with pytest.raises(AssertionError):
        check(wrong, 7, 2, 0.0)
    with pytest.raises(AssertionError):
        check(np.concatenate([[1.0], alone(SGDR(), 49)[:-1]]), 7, 2, 0.0)


@pytest.mark.parametrize("mult", [1.0, 1.5, 2.7])
@pytest.mark.parametrize("total", TOTALS)
def test_equals_the_closed_form_where_periods_are_no_whole_steps(total: int, mult: float) -> None:
    ends = [0]
    while ends[-1] < total:
        ends.append(math.ceil(round(0.13 * total * sum(mult**i for i in range(len(ends))), 6)))
    closed = []
    for t in range(total):
        begin, end = max(e for e in ends if e <= t), min(e for e in ends if e > t)
        closed.append((1 + math.cos(math.pi * (t - begin) / (end - begin))) / 2)
    np.testing.assert_allclose(alone(SGDR(first=0.13, mult=mult), total), closed, rtol=0, atol=1e-15)


@pytest.mark.parametrize("total", TOTALS)
def test_one_period_is_a_cosine(total: int) -> None:
    np.testing.assert_array_equal(alone(SGDR(first=1.0, final=0.2), total), alone(Cosine(final=0.2), total))


def test_ends() -> None:
    factors = alone(SGDR(), 700)
    assert factors[[0, 100, 300]].tolist() == [1, 1, 1]
    for last, length in ((99, 100), (299, 200), (699, 400)):
        assert factors[last] == pytest.approx(math.sin(math.pi / (2 * length)) ** 2, rel=1e-9)
