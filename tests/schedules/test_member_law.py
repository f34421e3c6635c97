"""What holds for every schedule, whatever its equation."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelab import schedules
from tunelab.contracts import Schedule
from tunelab.schedules import (
    REX,
    SGDR,
    WSD,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    ReduceOnPlateau,
    Step,
    Then,
    Triangular,
    Triangular2,
)
from tunelab.training.plan import hyperparameters

from .factors import alone, factors
from .members import MEMBERS

part = st.floats(0, 1)
positive_part = st.floats(1e-9, 1)

inner_part = st.floats(1e-9, 1, exclude_max=True)
parts = st.lists(inner_part, min_size=1, max_size=5, unique=True).map(sorted).map(tuple)

FALLING = st.one_of(
    st.builds(Constant),
    st.builds(Step, gamma=positive_part, every=positive_part),
    st.builds(Exponential, final=positive_part),
    st.builds(InverseTime, rate=st.floats(0, 1e9)),
    st.builds(Linear, final=part),
    st.builds(Polynomial, power=st.floats(1e-3, 100), final=part),
    st.builds(Cosine, final=part),
    st.builds(MultiStep, gamma=positive_part, milestones=parts),
    st.builds(WSD, decay=positive_part, final=part, shape=st.sampled_from(["linear", "1-sqrt"])),
    st.builds(REX),
    st.builds(ReduceOnPlateau),
)


@st.composite
def points(draw: st.DrawFn) -> Piecewise:
    at = draw(parts)
    values = draw(st.lists(part, min_size=len(at), max_size=len(at)))
    return Piecewise(at=at, values=tuple(values), shape=draw(st.sampled_from(["constant", "linear"])))


SINGLE = st.one_of(
    FALLING,
    st.builds(SGDR, first=st.floats(1e-3, 1), mult=st.floats(1, 100), final=part),
    st.builds(OneCycle, rise=inner_part, start=part, final=part),
    st.builds(Triangular, period=positive_part, low=part),
    st.builds(Triangular2, period=positive_part, low=part),
    st.builds(InverseSqrt, warmup=positive_part),
    points(),
)
WITHOUT_MEMORY = SINGLE.filter(lambda schedule: not schedule.memory())
ANY_SCHEDULE = SINGLE | st.recursive(
    WITHOUT_MEMORY, lambda some: st.builds(Then, first=some, second=some, at=inner_part, scale=part), max_leaves=4
)


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_different_totals_together_equal_each_alone(name: str) -> None:
    members, totals = MEMBERS[name], (7, 100, 33)
    together = factors(members, totals)
    for index, (member, total) in enumerate(zip(members, totals, strict=True)):
        np.testing.assert_array_equal(together[:total, index], alone(member, total))


@settings(derandomize=True, deadline=None)
@given(schedule=ANY_SCHEDULE, total=st.integers(1, 300))
def test_factors_are_finite_parts(schedule: Schedule, total: int) -> None:
    found = alone(schedule, total)
    assert found.shape == (total,)
    assert ((found >= 0) & (found <= 1)).all()


@settings(derandomize=True, deadline=None)
@given(schedule=FALLING, total=st.integers(1, 300))
def test_a_falling_schedule_starts_at_one_and_never_rises(schedule: Schedule, total: int) -> None:
    found = alone(schedule, total)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found[0] == found.max() == 1
    assert (np.diff(found) <= 1e-15).all()


@settings(derandomize=True, deadline=None)
@given(schedule=ANY_SCHEDULE, total=st.integers(1, 10_000_000), data=st.data())
def test_long_trainings_have_finite_parts_too(schedule: Schedule, total: int, data: Any) -> None:
    step = data.draw(st.integers(0, total - 1))
    memory = {name: np.array([[value]]) for name, value in schedule.memory().items()}
    hyper = SimpleNamespace(**vars(hyperparameters([schedule])), **memory)
    found = schedule.factor(hyper, np.array([[[step]]]), np.array([[total]])).item()
    assert 0 <= found <= 1


def test_every_schedule_is_tested() -> None:
    assert {type(members[0]).__name__ for members in MEMBERS.values()} == set(schedules.__all__)
