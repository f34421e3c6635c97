"""The laws of a schedule: what it multiplies the learning rate by, and what it remembers."""

import math
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest

from tunelab.contracts import Schedule
from tunelab.experiments import Experiment
from tunelab.models import Quadratic
from tunelab.optimizers import SGD
from tunelab.schedules import Constant, Cosine, Exponential
from tunelab.testing.contract import require_contract, require_json, searches
from tunelab.testing.entrant import Entrant, varied
from tunelab.testing.problem import clusters
from tunelab.testing.trace import require_same, train
from tunelab.training.member import Member
from tunelab.training.plan import factors

TOTALS = (1, 2, 3, 7, 100)
"""Steps of whole trainings, those of a single step among them."""

OWN_ROW = (
    "Contract: axis 1 of step and axis 0 of total and of each field are the members; factor treats every member by "
    "itself, and is a pure function of its arguments."
)
METRICS: Sequence[Mapping[str, float]] = tuple(
    {"train_loss": loss, "val_loss": 1.1 * loss, "loss": loss, "train_accuracy": 0.5, "val_accuracy": 0.4, "lr": 0.1}
    for loss in (1.0, 0.8, 0.8, 0.9, 0.2)
)


class ScheduleConformance:
    """Inherit, and give a `schedule`: a test class then holds it to its laws.

    import pytest
    from tunelab.testing import ScheduleConformance

    class TestMine(ScheduleConformance):
        @pytest.fixture
        def schedule(self):
            return Mine(final=0.1)
    """

    @pytest.fixture
    def schedule(self) -> Schedule:
        """Return the schedule under test."""
        raise NotImplementedError("define a fixture named `schedule` that returns the schedule under test")

    def test_it_keeps_the_contract(self, schedule: Schedule) -> None:
        """Every range and default lies within its field's bounds, and every default in its range."""
        require_contract(schedule, Schedule)

    def test_it_survives_json(self, schedule: Schedule) -> None:
        """An experiment with it, fixed or searched, can be written and read back."""
        for spelt in searches(schedule):
            require_json(Experiment(name="conformance", model=Quadratic(), optimizer="sgd", schedule=spelt))

    @pytest.mark.parametrize("total", TOTALS)
    def test_factors_are_finite_and_not_negative(self, schedule: Schedule, total: int) -> None:
        """From the first step to the last, however short the training."""
        for one in _family(schedule, 5):
            found = _factors([_member(one, total)], total)[:, 0]
            bad = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
            assert not len(bad), (
                f"{one!r}: at step {bad[0]} of {total} (counted from 0) the factor is {found[bad[0]]}; "
                "it must be finite and at least 0 from step 0 to the last"
            )

    @pytest.mark.parametrize("total", TOTALS)
    def test_a_step_has_the_same_factor_whichever_steps_are_asked_for_with_it(
        self, schedule: Schedule, total: int
    ) -> None:
        """A pure function of step and total: asked for step by step, or for all twice over."""
        member = _member(schedule, total)
        whole = _factors([member], total)[:, 0]
        again = _factors([member], total)[:, 0]
        apart = np.array([factors([member], np.array([[[step]]])).item() for step in range(total)])
        _require_equal(schedule, whole, again, "asked for a second time")
        _require_equal(schedule, whole, apart, "asked for by itself")

    def test_a_member_has_the_same_factors_alone_and_among_others(self, schedule: Schedule) -> None:
        """The member law, beside other fields, other lengths of training, and other schedules."""
        family = _family(schedule, 6)
        others = (Constant(), Cosine(), Exponential())
        totals = (7, 100, 33, 1, 64, 2)
        members = [_member(one, total) for one, total in zip(family, totals, strict=True)]
        strangers = [_member(one, 50) for one in others]
        for company in (members, [*strangers, *members], members[::-1]):
            together = _factors(company, max(totals))
            for one, total, member in zip(family, totals, members, strict=True):
                alone = _factors([member], total)[:, 0]
                row = next(index for index, other in enumerate(company) if other is member)
                saying = f"in a population of {len(company)}, of {total} steps"
                _require_equal(one, alone, together[:total, row], saying)

    def test_what_it_remembers_is_a_function_of_its_own_metrics(self, schedule: Schedule) -> None:
        """`memory` begins alike each time; `observe` leaves its arguments alone, and says the same twice."""
        memory = schedule.memory()
        assert memory == schedule.memory(), f"{schedule!r}: memory() must begin alike each time"
        for epoch, metrics in enumerate(METRICS, start=1):
            given = [MappingProxyType(dict(memory)), MappingProxyType(dict(metrics))]
            try:
                after, again = schedule.observe(*given), schedule.observe(*given)
            except TypeError as error:
                raise AssertionError(f"{schedule!r}: observe must return a new mapping: {error}") from error
            assert after == again, f"{schedule!r}: observe said {after} of epoch {epoch}, and a second time {again}"
            assert after.keys() == memory.keys(), (
                f"{schedule!r}: after epoch {epoch} it remembers {sorted(after)}, and before {sorted(memory)}; "
                "the names must stay those of memory()"
            )
            assert not any(map(math.isnan, after.values())), f"{schedule!r}: after epoch {epoch} it remembers {after}"
            memory = dict(after)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_member_trains_alike_alone_and_among_others(self, schedule: Schedule, dtype: str) -> None:
        """The member law in whole trainings, where what is remembered counts."""
        entrants = [
            Entrant(number, SGD(lr=0.3), one, seed=number, epochs=5 + number)
            for number, one in enumerate((*_family(schedule, 4), Cosine()))
        ]
        problem = clusters(dtype, steps=3)
        together = train(problem, entrants)
        for entrant in entrants[:-1]:
            alone = train(problem, [entrant])[entrant.number]
            saying = f"trains otherwise in a population of {len(entrants)} than alone"
            require_same(alone, together[entrant.number], entrant, saying, OWN_ROW)


def _family(schedule: Schedule, count: int) -> list[Schedule]:
    """Return the schedule, and others that differ from it where members may."""
    dice = random.Random(0)
    return [schedule, *(varied(schedule, dice) for _ in range(1, count))]


def _member(schedule: Schedule, total: int) -> Member:
    problem = clusters("float64")
    return problem.population([Entrant(0, SGD(), schedule, epochs=total)]).members[0]


def _factors(members: Sequence[Member], steps: int) -> np.ndarray:
    """Return the factors `(S, P)` of the first steps; a member that has ended stays at its last."""
    last = np.array([[member.total - 1] for member in members])
    step = np.minimum(np.arange(steps)[:, None, None], last)
    return factors(members, step)[:, :, 0]


def _require_equal(schedule: Schedule, expected: np.ndarray, found: np.ndarray, saying: str) -> None:
    wrong = np.flatnonzero(expected != found)
    assert not len(wrong), (
        f"{schedule!r}: {saying}, the factor of step {wrong[0]} is {found[wrong[0]]!r} in place of "
        f"{expected[wrong[0]]!r}.\n{OWN_ROW}"
    )
