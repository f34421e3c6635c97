"""How long a trial may train, and how many may fail in a row."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunelab import Choice, Trial
from tunelab import experiment as as_experiment
from tunelab.errors import ExperimentError, TooManyFailures
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam
from tunelab.study import Study, resume
from tunelab.tracking import MemoryTracker
from tunelab.trial import State

from .hanging import HOW, Stuck, StuckModel, hang
from .rig import search, story, wine


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the clock back that `slow` sets ahead."""
    monkeypatch.setattr(time, "perf_counter", time.perf_counter)


def set_ahead(seconds: float) -> None:
    """Let time pass in this process: a limit can then be so long that no slow machine comes near it."""
    clock = time.perf_counter
    time.perf_counter = lambda: clock() + seconds


@as_experiment(pause=Choice(0, 40), minimize="loss")
def slow(trial: Trial) -> Iterator[dict[str, float]]:
    for epoch in range(40):
        set_ahead(trial.params["pause"])  # type: ignore[arg-type]
        yield {"loss": 1 / (1 + epoch)}


def states(study: Study) -> dict[Any, set[State]]:
    found: dict[Any, set[State]] = {}
    for each in study.trials:
        found.setdefault(each.trial.params["pause"], set()).add(each.state)
    return found


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_trial_that_trains_too_long_has_failed_and_the_others_go_on(executor: str, tmp_path: Path) -> None:
    study = search(slow, tmp_path, trials=8, sampler="random", trial_timeout=100, executor=executor)
    assert states(study) == {0: {State.COMPLETE}, 40: {State.FAILED}}
    late = next(each for each in study.trials if each.state is State.FAILED)
    assert late.reason is not None
    assert late.reason.startswith("it trained for ")
    assert late.reason.endswith(" s, and trial_timeout (--trial-timeout) allows 100 s")
    assert 0 < len(late.curves["loss"].epochs) < 40, "its curve is kept as far as it goes"


def test_members_of_a_population_have_a_limit_too(tmp_path: Path) -> None:
    study = search(wine(epochs=Choice(1, 100_000)), tmp_path, trials=6, sampler="random", trial_timeout=0.6)
    for each in study.trials:
        assert each.state is (State.COMPLETE if each.trial.params["epochs"] == 1 else State.FAILED)


def test_a_study_that_is_resumed_stops_the_same_trials(tmp_path: Path) -> None:
    def watch(snapshot: Any) -> None:
        if snapshot.done >= 4:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"trials": 8, "sampler": "random", "trial_timeout": 100}
    with pytest.raises(KeyboardInterrupt):
        search(slow, tmp_path, watch=watch, **settings)
    again = resume(tmp_path / "slow-1", slow, executor="inline", tracker=MemoryTracker())
    assert states(again) == {0: {State.COMPLETE}, 40: {State.FAILED}}
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
    assert str(caught.value).endswith("to go on once it is mended: tunelab resume ill-1")
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


def test_fifty_in_a_row_are_enough(tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    with pytest.raises(TooManyFailures, match=r"^50 trials failed in a row, the last, 54, so: ValueError"):
        search(failing(5, 64, tmp_path / "ill"), tmp_path, trials=70, sampler="random")


@pytest.mark.parametrize("never", [None, 0])
def test_there_may_be_any_number(never: int | None, tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    study = search(failing(5, 64, tmp_path / "ill"), tmp_path, trials=70, sampler="random", max_failures=never)
    assert study.counts()[State.FAILED] == 60


@pytest.mark.parametrize("limits", [{"trial_timeout": 0}, {"max_failures": -1}, {"max_failures": 1.5}])
def test_a_limit_is_a_number_above_nought(limits: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"must be a (whole )?number above 0"):
        search(wine(), tmp_path, **limits)


# ---- memory


class Greedy(SGD):
    """A rule that wants two gigabytes, which nothing is written to."""

    def update(self, xp: Any, theta: Any, *rest: Any) -> None:
        np.empty(2 * 10**9, np.int8)
        super().update(xp, theta, *rest)


def greedy(**fields: Any) -> Any:
    return wine(optimizer=Choice(SGD, Adam, Greedy), batch_size=16, epochs=4, **fields)


def failed(study: Study) -> list[Any]:
    return [each for each in study.trials if each.state is State.FAILED]


def test_a_member_that_needs_too_much_fails_alone_and_the_others_end_as_without_it(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trials": 12, "sampler": "random", "executor": "process", "population": 4}
    limited = search(greedy(), tmp_path, worker_memory="800MB", **settings)
    free = search(greedy(), tmp_path, **settings)
    guilty = {each.trial.number for each in free.trials if each.trial.params["optimizer"] == "greedy"}
    assert 0 < len(guilty) < 12
    assert {each.trial.number for each in failed(limited)} == guilty
    for each in failed(limited):
        assert each.why is not None
        assert "Unable to allocate 1.86 GiB" in each.why
        assert each.why.endswith("; a worker may hold 800MB (worker_memory, --worker-memory)")
    innocent = [each for each in story(limited) if each[0].number not in guilty]
    assert innocent == [each for each in story(free) if each[0].number not in guilty]


@as_experiment(gigabytes=Choice(0, 2), minimize="loss")
def hungry(trial: Trial) -> Iterator[dict[str, float]]:
    yield {"loss": 1.0}
    bytearray(10**9 * trial.params["gigabytes"])  # type: ignore[operator]
    yield {"loss": 0.5}


@as_experiment(gigabytes=Choice(0, 2), minimize="loss")
def hungry_torch(trial: Trial) -> Iterator[dict[str, float]]:
    import torch

    yield {"loss": float(torch.ones(10**9 * trial.params["gigabytes"] + 1, dtype=torch.int8)[0])}  # type: ignore[operator]


@pytest.mark.parametrize("loop", [hungry, pytest.param(hungry_torch, marks=pytest.mark.torch)])
def test_a_loop_that_needs_too_much_fails_and_the_others_go_on(loop: Any, tmp_path: Path) -> None:
    study = search(loop, tmp_path, trials=6, sampler="random", executor="process", worker_memory="1.5GB")
    found = {(each.trial.params["gigabytes"], each.state) for each in study.trials}
    assert found == {(0, State.COMPLETE), (2, State.FAILED)}
    for each in failed(study):
        assert "a worker may hold 1.5GB (worker_memory, --worker-memory)" in str(each.why)
        assert "line" in str(each.why)


@as_experiment(megabytes=Choice(200, 201), minimize="loss")
def littering(trial: Trial) -> Iterator[dict[str, float]]:
    circle: list[Any] = [bytearray(10**6 * trial.params["megabytes"])]  # type: ignore[operator]
    circle.append(circle)
    yield {"loss": 1.0}


def test_what_an_earlier_trial_left_in_circles_does_not_count(tmp_path: Path) -> None:
    study = search(littering, tmp_path, trials=4, sampler="random", executor="process", worker_memory="450MB")
    assert study.counts()[State.COMPLETE] == 4


def test_populations_that_do_not_fit_beside_each_other_train_one_after_another(tmp_path: Path) -> None:
    """A worker holds 100 MB, and 80 more for one member that trains: two fit. Without the limit there are six."""
    fixed: dict[str, Any] = {"model": MLP(width=2**16), "optimizer": SGD(lr=1e-4), "steps_per_epoch": 1}
    made = wine(batch_size=Choice(16, 17), epochs=Choice(1, 2), **fixed)
    settings: dict[str, Any] = {"trials": 6, "sampler": "random", "executor": "process", "population": 3, "workers": 1}
    free = search(made, tmp_path, **settings)
    limited = search(made, tmp_path, worker_memory="250MB", **settings)
    assert limited.counts()[State.COMPLETE] == 6
    assert story(limited) == story(free)


def test_a_worker_that_could_not_even_begin_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError,
        match=r"worker_memory='20MB' \(--worker-memory 20MB\): before it trains, a worker of this study holds \d+ MB",
    ):
        search(wine(), tmp_path, executor="process", worker_memory="20MB")


def test_it_would_hold_the_persons_own_process_too_and_is_refused_there(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError, match=r"worker_memory='2GB' \(--.*: executor='inline' \(--executor inline\) trains in"
    ):
        search(wine(), tmp_path, executor="inline", worker_memory="2GB")
    with pytest.raises(
        ExperimentError, match=r"worker_memory \(--worker-memory\) must be a size above 0 with its unit"
    ):
        search(wine(), tmp_path, executor="process", worker_memory="2")
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_a_study_that_is_resumed_has_the_same_limit(tmp_path: Path) -> None:
    def watch(snapshot: Any) -> None:
        if snapshot.done >= 2:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"trials": 8, "sampler": "random", "executor": "process", "worker_memory": "1.5GB"}
    with pytest.raises(KeyboardInterrupt):
        search(hungry, tmp_path, watch=watch, **settings)
    with pytest.raises(ExperimentError, match=r"worker_memory='1\.5GB' \(--worker-memory 1.5GB\): executor='inline'"):
        resume(tmp_path / "hungry-1", hungry, executor="inline", tracker=MemoryTracker())
    study = resume(tmp_path / "hungry-1", hungry, tracker=MemoryTracker())
    assert {(each.trial.params["gigabytes"], each.state) for each in study.trials[4:]} == {
        (0, State.COMPLETE), (2, State.FAILED),
    }  # fmt: skip


# ---- time without a report


WAYS = ["python", "native", "native, holding the interpreter"]
TOLD = "it trained for 1 s without a report, and trial_timeout (--trial-timeout) allows 1 s (hanging.py, line "


def stuck(**fields: Any) -> Any:
    return wine(**({"optimizer": Choice(SGD, Adam, Stuck), "batch_size": 16, "epochs": 4} | fields))


SETTINGS: dict[str, Any] = {"trials": 6, "sampler": "random", "executor": "process", "population": 4, "workers": 1}


@pytest.mark.parametrize("how", WAYS)
def test_a_member_that_hangs_fails_alone_and_the_others_end_as_without_it(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = search(stuck(), tmp_path, **SETTINGS)
    guilty = {each.trial.number for each in free.trials if each.trial.params["optimizer"] == "stuck"}
    assert 0 < len(guilty) < 4
    monkeypatch.setenv(HOW, how)
    limited = search(stuck(), tmp_path, trial_timeout=1.0, **SETTINGS)
    assert {each.trial.number for each in failed(limited)} == guilty
    for each in failed(limited):
        assert str(each.why).startswith(TOLD)
        assert "in update" in str(each.reason), "the stack is kept"
    innocent = [each for each in story(limited) if each[0].number not in guilty]
    assert innocent == [each for each in story(free) if each[0].number not in guilty]


def test_a_network_that_hangs_as_it_is_laid_out_is_its_trials_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOW, "sleep")
    made = stuck(model=StuckModel.search(width=Choice(8, 16), depth=1), optimizer=Choice(SGD, Adam))
    study = search(made, tmp_path, trial_timeout=1.0, **SETTINGS)
    found = {(each.trial.params["model.width"], each.state) for each in study.trials}
    assert found == {(8, State.COMPLETE), (16, State.FAILED)}
    assert all(str(each.why).startswith(TOLD) for each in failed(study))


@as_experiment(hangs=Choice(True, False), minimize="loss")
def stalls(trial: Trial) -> Iterator[dict[str, float]]:
    try:
        yield {"loss": 1.0, "process": os.getpid()}
        if trial.params["hangs"]:
            hang()
        yield {"loss": 0.5, "process": os.getpid()}
    finally:
        print("trial", trial.number, "cleans up")


@pytest.mark.parametrize("how", ["python", "sleep", *WAYS[1:]])
def test_a_loop_that_hangs_fails_and_cleans_up_if_its_code_comes_back(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOW, how)
    study = search(stalls, tmp_path, trials=5, sampler="random", executor="process", workers=1, trial_timeout=1.0)
    assert {(each.trial.params["hangs"], each.state) for each in study.trials} == {
        (True, State.FAILED), (False, State.COMPLETE),
    }  # fmt: skip
    for each in failed(study):
        assert str(each.why).startswith(TOLD if "native" in how else TOLD.replace("hanging", "test_limits"))
        assert "in hang" in str(each.reason)
        assert each.curves["loss"].values == (1.0,)
    processes = {value for each in study.trials for value in each.curves["process"].values}
    printed = capfd.readouterr().err
    for each in failed(study):
        assert ("native" not in how) == (f"trial {each.trial.number} cleans up" in printed)
    assert (len(processes) == 1) == ("native" not in how), "native code takes its process with it"


@as_experiment(pause=Choice(0.0, 0.1), minimize="loss")
def untidy(trial: Trial) -> Iterator[dict[str, float]]:
    try:
        for epoch in range(30):
            time.sleep(trial.params["pause"])  # type: ignore[arg-type]
            yield {"loss": 1 / (1 + epoch)}
    finally:
        if trial.params["pause"]:
            hang()


def test_a_loop_that_hangs_as_it_cleans_up_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOW, "native")
    study = search(untidy, tmp_path, trials=4, sampler="random", executor="process", workers=1, trial_timeout=1.0)
    assert states(study) == {0.0: {State.COMPLETE}, 0.1: {State.FAILED}}
    assert all(str(each.why).startswith(TOLD) for each in failed(study))


def test_a_study_that_is_resumed_after_some_hung_in_one_population_ends_as_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(snapshot: Any) -> None:
        if snapshot.counts[State.FAILED]:
            raise KeyboardInterrupt

    settings = SETTINGS | {"trials": 5, "seed": 2, "search": "all"}
    free = search(stuck(), tmp_path, **settings)
    monkeypatch.setenv(HOW, "native")
    with pytest.raises(KeyboardInterrupt):
        search(stuck(), tmp_path, watch=watch, trial_timeout=1.0, **settings)
    again = resume(tmp_path / "wine-2", stuck(), tracker=MemoryTracker())
    assert [each.trial.number for each in failed(again)] == [2, 3]
    assert all(str(each.why).startswith(TOLD) for each in failed(again))
    assert [each for each in story(again) if each[0].number not in (2, 3)] == [
        each for each in story(free) if each[0].number not in (2, 3)
    ]


def test_limits_that_nothing_comes_near_change_nothing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trials": 8, "executor": "process", "pruner": "median", "workers": 2}
    free = search(wine(), tmp_path, **settings)
    assert story(search(wine(), tmp_path, trial_timeout=60, worker_memory="4GB", **settings)) == story(free)
