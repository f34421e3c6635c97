"""The fields of every schedule: bounds, defaults, ranges."""

from collections.abc import Callable

import pytest

from tunelab import schedules
from tunelab.contracts import Schedule
from tunelab.errors import PluginError
from tunelab.optimizers import SGD
from tunelab.schedules import SGDR, WSD, Linear, MultiStep, Piecewise, ReduceOnPlateau, Then
from tunelab.space import Choice

SCHEDULES: list[type[Schedule]] = [getattr(schedules, name) for name in schedules.__all__]

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.__name__)


@each_schedule
def test_every_default_is_inside_its_range(schedule: type[Schedule]) -> None:
    for name, allowed in schedule.ranges().items():
        assert allowed.low <= getattr(schedule(), name) <= allowed.high


@each_schedule
def test_every_end_of_a_range_satisfies_the_bounds(schedule: type[Schedule]) -> None:
    for name, allowed in schedule.ranges().items():
        schedule.check(name, allowed)
        assert getattr(schedule(**{name: allowed.low}), name) == allowed.low
        assert getattr(schedule(**{name: allowed.high}), name) == allowed.high


@each_schedule
def test_few_trials_search_nothing_of_a_schedule(schedule: type[Schedule]) -> None:
    assert schedule.from_trials() == dict.fromkeys(schedule.ranges(), 25)


SHARED = {
    "MultiStep": {"milestones"},
    "Piecewise": {"at", "values", "shape"},
    "ReduceOnPlateau": {"patience", "cooldown", "metric", "mode"},
    "WSD": {"shape"},
}
"""Fields that the members of a population that train together have in common."""


@each_schedule
def test_every_other_field_is_a_number_that_may_differ_between_members_or_a_schedule(schedule: type[Schedule]) -> None:
    own = set(schedule().numbers()) | set(schedule().parts())
    assert own == set(schedule.model_fields) - SHARED.get(schedule.__name__, set())


@each_schedule
def test_a_value_outside_the_bounds_is_refused(schedule: type[Schedule]) -> None:
    for name in schedule.model_fields:
        with pytest.raises(PluginError, match=f"{schedule.__name__}.*{name}"):
            schedule(**{name: -0.1})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MultiStep(milestones=()), "MultiStep: milestones: .*at least 1 item"),
        (lambda: MultiStep(milestones=(0.5, 1.0)), "MultiStep: milestones.1: .*less than 1, was 1.0"),
        (
            lambda: Piecewise(at=(0.0, 0.5)),
            r"Piecewise: values needs one number for each of the 2 in at, was \(1.0, 0.1",
        ),
        (lambda: Piecewise(at=(0.0, 0.5, 0.5)), r"Piecewise: at must ascend, was \(0.0, 0.5, 0.5\)"),
        (lambda: Piecewise(values=(1.0, 2.0, 0.1)), "Piecewise: values.1: .*less than or equal to 1, was 2.0"),
        (lambda: WSD(shape="cosine"), "WSD: shape: input should be 'linear' or '1-sqrt', was 'cosine'"),
        (lambda: SGDR(mult=0.5), "SGDR: mult: .*greater than or equal to 1"),
        (lambda: Then(second="linear"), r"Then\(second='linear'\) is a fixed instance .*; write Then.search\(second="),
        (lambda: Then(first=SGD()), "Then: first: .*instance of Schedule, was SGD"),
        (lambda: Then(first=ReduceOnPlateau()), r"Then: ReduceOnPlateau\(.*\) follows a metric, which a part cannot"),
        (lambda: Then.search(second=ReduceOnPlateau.search()), "follows a metric"),
        (lambda: Then.search(second=Choice(Linear(), ReduceOnPlateau())), "follows a metric"),
        (lambda: Then.search(first=SGD.search()), "Then: first: .*instance of Schedule"),
    ],
)
def test_fields_that_make_no_schedule_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        make()
