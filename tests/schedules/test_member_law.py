"""What holds for every schedule, whatever its equation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelab import schedules
from tunelab.contracts import Schedule
from tunelab.schedules import Constant, Cosine, Exponential, InverseTime, Linear, Polynomial, Step

from .factors import alone, factors
from .members import MEMBERS

part = st.floats(0, 1)
positive_part = st.floats(1e-9, 1)

ANY_SCHEDULE = st.one_of(
    st.builds(Constant),
    st.builds(Step, gamma=positive_part, every=positive_part),
    st.builds(Exponential, final=positive_part),
    st.builds(InverseTime, rate=st.floats(0, 1e9)),
    st.builds(Linear, final=part),
    st.builds(Polynomial, power=st.floats(1e-3, 100), final=part),
    st.builds(Cosine, final=part),
)


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_different_totals_together_equal_each_alone(name: str) -> None:
    members, totals = MEMBERS[name], (7, 100, 33)
    together = factors(members, totals)
    for index, (member, total) in enumerate(zip(members, totals, strict=True)):
        np.testing.assert_array_equal(together[:total, index], alone(member, total))


@settings(derandomize=True, deadline=None)
@given(schedule=ANY_SCHEDULE, total=st.integers(1, 300))
def test_factors_are_finite_parts_that_start_at_one_and_never_rise(schedule: Schedule, total: int) -> None:
    found = alone(schedule, total)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found[0] == found.max() == 1
    assert (np.diff(found) <= 1e-15).all()


@settings(derandomize=True, deadline=None)
@given(schedule=ANY_SCHEDULE, total=st.integers(1, 10_000_000), data=st.data())
def test_long_trainings_have_finite_parts_too(schedule: Schedule, total: int, data: Any) -> None:
    step = data.draw(st.integers(0, total - 1))
    hyper = type("Hyper", (), {name: np.array([[value]]) for name, value in schedule.numbers().items()})
    found = schedule.factor(hyper, np.array([[[step]]]), np.array([[total]])).item()
    assert 0 <= found <= 1


def test_every_schedule_is_tested() -> None:
    assert {type(members[0]).__name__ for members in MEMBERS.values()} == set(schedules.__all__)
