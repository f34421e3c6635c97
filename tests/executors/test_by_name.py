"""Where a study trains, by name."""

import os
import re
from typing import Any

import pytest

from tunelab.errors import ExperimentError
from tunelab.executors.by_name import PLACES, Inline, Place, Processes, place
from tunelab.executors.ray import Ray


def test_one_core_is_left_for_the_engine() -> None:
    assert Processes().workers(None) == max(1, len(os.sched_getaffinity(0)) - 1)
    assert Inline().workers(None) == 1


@pytest.mark.parametrize("name", PLACES)
def test_as_many_workers_train_as_are_wanted(name: str) -> None:
    wanted = 1 if name == "inline" else 3
    assert PLACES[name].workers(wanted) == wanted


@pytest.mark.parametrize("given", ["process", "inline", "ray", Ray(gpus=1)])
def test_a_place_is_named_or_given(given: Place) -> None:
    found = place(given)
    assert isinstance(found, Place)
    assert place(found) is found


@pytest.mark.parametrize("wrong", ["proces", 3, ["process"], Ray])
def test_what_is_no_place_is_refused(wrong: Any) -> None:
    with pytest.raises(
        ExperimentError, match=rf"no executor named {re.escape(repr(wrong))}; .*Known: inline, process, ray"
    ):
        place(wrong)
