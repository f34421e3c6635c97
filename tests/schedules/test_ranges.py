"""The fields of every schedule: bounds, defaults, ranges."""

import pytest

from tunelab import schedules
from tunelab.contracts import Schedule
from tunelab.errors import PluginError

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
def test_every_field_is_a_number_that_may_differ_between_members(schedule: type[Schedule]) -> None:
    assert set(schedule().numbers()) == set(schedule.model_fields)


@each_schedule
def test_a_value_outside_the_bounds_is_refused(schedule: type[Schedule]) -> None:
    for name in schedule.model_fields:
        with pytest.raises(PluginError, match=f"{schedule.__name__}.*{name}"):
            schedule(**{name: -0.1})
