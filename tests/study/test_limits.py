"""How long a trial may train, and how many may fail in a row."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunelab import Choice, Trial
from tunelab import experiment as as_experiment
from tunelab.errors import ExperimentError, TooManyFailures
from tunelab.study import Study, resume
from tunelab.tracking import MemoryTracker
from tunelab.trial import State

from .rig import search, story, wine


@as_experiment(pause=Choice(0.0, 0.05), minimize="loss")
def slow(trial: Trial) -> Iterator[dict[str, float]]:
    for epoch in range(40):
        time.sleep(trial.params["pause"])  # type: ignore[arg-type]
        yield {"loss": 1 / (1 + epoch)}


def states(study: Study) -> dict[Any, set[State]]:
    found: dict[Any, set[State]] = {}
    for each in study.trials:
        found.setdefault(each.trial.params["pause"], set()).add(each.state)
    return found


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_trial_that_trains_too_long_has_failed_and_the_others_go_on(executor: str, tmp_path: Path) -> None:
    study = search(slow, tmp_path, trials=8, sampler="random", trial_timeout=0.5, executor=executor)
    assert states(study) == {0.0: {State.COMPLETE}, 0.05: {State.FAILED}}
    late = next(each for each in study.trials if each.state is State.FAILED)
    assert late.reason is not None
    assert late.reason.startswith("it trained for 0.")
    assert late.reason.endswith(" s, and trial_timeout allows 0.5 s")
    assert 0 < len(late.curves["loss"].epochs) < 40, "its curve is kept as far as it goes"


def test_members_of_a_population_have_a_limit_too(tmp_path: Path) -> None:
    study = search(wine(epochs=Choice(1, 100_000)), tmp_path, trials=6, sampler="random", trial_timeout=0.6)
    for each in study.trials:
        assert each.state is (State.COMPLETE if each.trial.params["epochs"] == 1 else State.FAILED)


def test_a_study_that_is_resumed_stops_the_same_trials(tmp_path: Path) -> None:
    def watch(snapshot: Any) -> None:
        if snapshot.done >= 4:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"trials": 8, "sampler": "random", "trial_timeout": 0.5}
    with pytest.raises(KeyboardInterrupt):
        search(slow, tmp_path, watch=watch, **settings)
    again = resume(tmp_path / "slow-1", slow, executor="inline", tracker=MemoryTracker())
    assert states(again) == {0.0: {State.COMPLETE}, 0.05: {State.FAILED}}
    whole = search(slow, tmp_path, **settings)
    assert [(each.trial, each.state) for each in again.trials] == [(each.trial, each.state) for each in whole.trials]


def failing(first: int, last: int, marker: Path) -> Any:
    """Return a loop whose trials fail from one to another, while the marker is there."""

    @as_experiment(lr=Choice(0.1, 0.2), minimize="loss")
    def ill(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": 1.0}
        if first <= trial.number <= last and marker.exists():
            raise ValueError(f"trial {trial.number} is ill")

    return ill


def test_so_many_failures_in_a_row_end_a_study_which_then_goes_on(tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    ill = failing(5, 90, tmp_path / "ill")
    with pytest.raises(TooManyFailures) as caught:
        search(ill, tmp_path, trials=30, sampler="random", max_failures=4)
    assert str(caught.value).startswith("4 trials failed in a row, the last, 8, so: ValueError: trial 8 is ill")
    assert str(caught.value).endswith("mend the cause and go on: tunelab resume ill-1")
    (tmp_path / "ill").unlink()
    study = resume(tmp_path / "ill-1", ill, executor="inline", tracker=MemoryTracker())
    failed = [each.trial.number for each in study.trials if each.state is State.FAILED]
    assert failed == [5, 6, 7, 8]
    assert len(study.trials) == 30


def test_one_that_ends_well_between_them_starts_the_count_anew(tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    settings: dict[str, Any] = {"trials": 12, "sampler": "random"}
    study = search(failing(3, 5, tmp_path / "ill"), tmp_path, max_failures=4, **settings)
    assert study.counts()[State.FAILED] == 3
    assert story(study) == story(search(failing(3, 5, tmp_path / "ill"), tmp_path, **settings))


@pytest.mark.parametrize("limits", [{"trial_timeout": 0}, {"max_failures": 0}, {"max_failures": 1.5}])
def test_a_limit_is_a_number_above_nought(limits: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"must be a (whole )?number above 0"):
        search(wine(), tmp_path, **limits)
