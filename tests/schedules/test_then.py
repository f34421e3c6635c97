import math

import numpy as np
import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LinearLR, SequentialLR

from tunelab.contracts import Schedule
from tunelab.schedules import Constant, Cosine, Exponential, Linear, Step, Then

from .factors import TOTALS, alone, torch_factors

LONG = (10, 100, 999)


def check(found: np.ndarray, at: float) -> None:
    """Compare a cosine to 0.1, then a line to 0.2."""

    def reference(optimizer, steps):
        change = math.ceil(round(at * steps, 6))
        first = CosineAnnealingLR(optimizer, T_max=change, eta_min=0.1)
        second = LinearLR(optimizer, 1.0, 0.2, total_iters=steps - change)
        return SequentialLR(optimizer, [first, second], milestones=[change])

    theirs = torch_factors(reference, len(found))
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-15 * max(1, len(found) / 100))  # torch multiplies


@pytest.mark.parametrize("total", LONG)
@pytest.mark.parametrize("at", [0.07, 0.5, 0.9])
def test_equals_torch(at: float, total: int) -> None:
    check(alone(Then(first=Cosine(final=0.1), second=Linear(final=0.2), at=at), total), at)


def test_equals_torch_where_three_are_joined() -> None:
    def reference(optimizer, _):
        parts = [
            LinearLR(optimizer, 1.0, 0.5, 20),
            ExponentialLR(optimizer, 0.01 ** (1 / 40)),
            LinearLR(optimizer, 1, 0, 40),
        ]
        return SequentialLR(optimizer, parts, milestones=[20, 60])

    ours = Then(first=Linear(final=0.5), second=Then(first=Exponential(final=0.01), second=Linear(), at=0.5), at=0.2)
    np.testing.assert_allclose(alone(ours, 100), torch_factors(reference, 100), rtol=1e-14, atol=1e-15)


def test_parts_that_are_not_shortened_or_not_restarted_are_rejected() -> None:
    whole_cosine, whole_line = alone(Cosine(final=0.1), 100), alone(Linear(final=0.2), 100)
    right = alone(Then(first=Cosine(final=0.1), second=Linear(final=0.2)), 100)
    check(right, 0.5)
    for first, second in ((whole_cosine, right[50:]), (right, whole_line[:50]), (right, whole_line[50:])):
        with pytest.raises(AssertionError):
            check(np.concatenate([first[:50], second]), 0.5)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("at", [0.01, 0.5, 0.99])
def test_each_part_is_what_it_would_be_alone(at: float, total: int) -> None:
    first, second = Step(gamma=0.3, every=0.2), Cosine(final=0.1)
    change = math.ceil(round(at * total, 6))
    found = alone(Then(first=first, second=second, at=at, scale=0.25), total)
    np.testing.assert_array_equal(found[:change], alone(first, change))
    if change < total:
        np.testing.assert_array_equal(found[change:], 0.25 * alone(second, total - change))


def test_a_scale_goes_on_where_the_first_one_ended() -> None:
    found = alone(Then(first=Linear(final=0.2), second=Constant(), scale=0.2), 100)
    assert (np.diff(found) <= 0).all()
    assert found[50:].tolist() == [0.2] * 50


@pytest.mark.parametrize("schedule", [Then(), Then(first=Then(), second=Then())])
def test_ends(schedule: Schedule) -> None:
    factors = alone(schedule, 100)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(
        1 / 50 if isinstance(schedule, Then) and schedule.first == Constant() else 1 / 25
    )
