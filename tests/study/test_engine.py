"""The engine when all does not go well: trials that diverge, raise or are cut short, and a worker that dies."""

import os
import random
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tunelab import Choice, Float, Int
from tunelab.contracts import Executor, Work
from tunelab.errors import AllTrialsFailed, TrackingError, WorkerError
from tunelab.executors.by_name import Inline
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot
from tunelab.study.engine import HOPELESS, trial_seed
from tunelab.study.suggest import optuna_name
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import Mirror, Orders, State, Summary

from .rig import Faulty, Ordered, Sound, bowl, curves_of, flat_bowl, held, in_state, search, seeds, story, wine

WILD = SGD.search(lr=Float(1e-3, 1e6, log=True))


def end_of(trial: optuna.trial.FrozenTrial) -> tuple[Any, ...]:
    return trial.state, trial.user_attrs.get("state"), trial.user_attrs.get("reason")


# ---- diverged


def test_a_trial_that_diverges_is_told_as_failed_with_its_reason(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    study = search(wine(optimizer=WILD), tmp_path, trials=30, tracker=tracker)
    diverged = in_state(study, State.DIVERGED)
    assert len(diverged) > 5
    assert in_state(study, State.COMPLETE)
    trials = held(study.folder, study.name)
    for result in diverged:
        assert end_of(trials[result.trial.number]) == (TrialState.FAIL, "diverged", result.reason)
        assert trials[result.trial.number].value is None
        assert result.reason is not None
        assert "was" in result.reason
        assert "epoch" in result.reason
        assert tracker.trials[result.trial.number].reason == result.reason


def test_those_beside_it_do_not_notice(tmp_path: Path) -> None:
    both = search(bowl(optimizer=Choice(WILD, Adam)), tmp_path / "a", trials=20, sampler="random")
    again = search(bowl(optimizer=Choice(WILD, Adam)), tmp_path / "b", trials=20, sampler="random", population=1)
    assert in_state(both, State.DIVERGED)
    assert {r.trial.number: curves_of(r) for r in both.trials} == {r.trial.number: curves_of(r) for r in again.trials}


def test_a_study_in_which_every_trial_diverges_says_what_to_do(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    with pytest.raises(AllTrialsFailed) as caught:
        search(bowl(optimizer=SGD.search(lr=Float(50, 100)), epochs=20), tmp_path, tracker=tracker)
    said = str(caught.value)
    assert said.startswith("no trial of bowl-1 completed (12 diverged); the most frequent reason, first in trial 0: ")
    assert said.endswith("; lower the upper end of the learning rate's range")
    assert tracker.summary is not None
    assert tracker.closed
    assert tracker.summary.best is None
    assert tracker.summary.counts[State.DIVERGED] == 12
    assert {end_of(trial)[:2] for trial in held(tmp_path / "bowl-1", "bowl-1")} == {(TrialState.FAIL, "diverged")}


# ---- raised


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_model_that_always_raises_ends_the_study_early(where: str, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    with pytest.raises(
        AllTrialsFailed, match=r"the first \d+ trials all failed the same way, as trial 0 did: .*Error"
    ) as caught:
        search(wine(model=Faulty(where=where)), tmp_path, trials=500, tracker=tracker)
    assert ("no way forward" in str(caught.value)) == (where == "forward")
    trials = held(tmp_path / "wine-1", "wine-1")
    assert HOPELESS <= len(trials) < 150
    assert {trial.state for trial in trials} == {TrialState.FAIL}
    assert all(trial.user_attrs["reason"] for trial in trials)
    assert tracker.closed
    assert set(tracker.trials) == {trial.number for trial in trials}


def test_a_study_of_few_trials_that_all_raise_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        AllTrialsFailed, match=r"no trial of wine-1 completed \(3 failed\); .*: RuntimeError: no way forward"
    ):
        search(wine(model=Faulty()), tmp_path, trials=3)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_trial_that_raises_stops_no_other(where: str, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    experiment = wine(model=Choice(Sound(), Faulty(where=where)), optimizer="adam", epochs=2)
    study = search(experiment, tmp_path, trials=30, tracker=tracker, sampler="random")
    failed = in_state(study, State.FAILED)
    assert {result.trial.params["model"] for result in failed} == {"faulty"}
    assert {result.trial.params["model"] for result in in_state(study, State.COMPLETE)} == {"sound"}
    assert len(study.trials) == 30
    for result in failed:
        assert end_of(study.optuna.trials[result.trial.number]) == (TrialState.FAIL, "failed", result.reason)
    assert set(tracker.trials) == set(range(30))


def test_a_network_without_room_in_memory_fails_its_own_trial_only(tmp_path: Path) -> None:
    experiment = wine(model=Choice(Sound(), Faulty(where="parameters")), optimizer="adam", epochs=2)
    study = search(experiment, tmp_path, trials=12, sampler="random")
    reasons = {result.reason for result in in_state(study, State.FAILED)}
    assert reasons == {"MemoryError: no room for the parameters"}
    assert in_state(study, State.COMPLETE)


def test_a_plugin_that_refuses_what_was_drawn_fails_its_own_trial_only(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    study = search(bowl(optimizer=Choice(Ordered, SGD)), tmp_path, trials=30, sampler="random", tracker=tracker)
    failed = in_state(study, State.FAILED)
    assert failed
    assert {result.reason for result in failed} == {"PluginError: Ordered: least must not be above lr"}
    for result in study.trials:
        params = result.trial.params
        refused = params["optimizer"] == "ordered" and params["optimizer.least"] > params["optimizer.lr"]
        assert (result.state is State.FAILED) == refused
    assert set(tracker.trials) == set(range(30))


# ---- cut short


def at(done: int, then: Any) -> Any:
    """Return a watcher that does something once so many trials ended."""

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done >= done:
            then()

    return watch


def interrupt() -> None:
    raise KeyboardInterrupt


def assert_ended(folder: Path, name: str, tracker: MemoryTracker, reason: str) -> None:
    """Assert that what was finished is kept, and that what was not is told as interrupted."""
    trials = held(folder / name, name)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.FAIL}
    for trial in trials:
        if trial.state is TrialState.FAIL:
            assert end_of(trial) == (TrialState.FAIL, "interrupted", trial.user_attrs["reason"])
            assert reason in trial.user_attrs["reason"]
    told = {number: tracked.state for number, tracked in tracker.trials.items()}
    states = {TrialState.COMPLETE: State.COMPLETE, TrialState.FAIL: State.INTERRUPTED}
    assert told == {trial.number: states[trial.state] for trial in trials}
    assert tracker.summary is not None
    assert tracker.closed
    complete = sum(trial.state is TrialState.COMPLETE for trial in trials)
    assert tracker.summary.counts[State.COMPLETE] == complete
    assert tracker.summary.counts[State.INTERRUPTED] == len(trials) - complete
    assert (folder / name / "best.safetensors").is_file()


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_ctrl_c_keeps_what_is_finished_and_marks_what_runs(executor: str, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    with pytest.raises(KeyboardInterrupt):
        search(wine(), tmp_path, trials=500, tracker=tracker, executor=executor, watch=at(20, interrupt))
    assert_ended(tmp_path, "wine-1", tracker, "interrupted by a signal")


@dataclass(frozen=True)
class Alone(Inline):
    """A place without a team, that would replace a worker."""

    start: Callable[[Work], Executor]

    def team(self, job: Work, workers: int) -> Executor:
        return self.start(job)


def test_a_worker_that_is_killed_ends_the_study_and_leaves_nothing_open(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    workers: list[ProcessExecutor] = []

    def start(job: Work) -> ProcessExecutor:
        workers.append(ProcessExecutor(job))
        return workers[0]

    def kill() -> None:
        if workers[0]._worker.poll() is None:
            os.kill(workers[0]._worker.pid, signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"the training process \d+ ended with code -9"):
        search(wine(), tmp_path, trials=500, tracker=tracker, executor=Alone(start), watch=at(20, kill))
    assert_ended(tmp_path, "wine-1", tracker, "ended with code -9")


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.soak)])
def test_a_study_goes_on_when_workers_are_killed_and_ends_as_if_they_had_not_been(kills: int, tmp_path: Path) -> None:
    killed: list[int] = []
    dice = random.Random(0)

    def kill(_: Snapshot) -> None:
        children = subprocess.run(["pgrep", "-P", str(os.getpid())],
                                  capture_output=True, text=True, check=False).stdout.split()  # fmt: skip
        if children and len(killed) < kills and dice.random() < 0.5:
            worker = int(dice.choice(children))
            with suppress(ProcessLookupError):  # the last one's end was not noted yet
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)

    def outcome(**settings: Any) -> Any:
        study = search(wine(), tmp_path, trials=40, executor="process", workers=2, **settings)
        return [(r.trial.params, r.state, r.value, r.curves["val_loss"]) for r in study.trials]

    expected = outcome()
    while len(killed) < kills:
        assert outcome(watch=kill) == expected


@pytest.mark.parametrize("error", [RuntimeError("sampler is ill"), KeyboardInterrupt()])
def test_sampling_that_is_cut_short_leaves_no_trial_running(error: BaseException, tmp_path: Path) -> None:
    class Ill(optuna.samplers.RandomSampler):
        def sample_independent(self, study: Any, trial: Any, *rest: Any) -> Any:
            if trial.number == 10:
                raise error
            return super().sample_independent(study, trial, *rest)

    tracker = MemoryTracker()
    with pytest.raises(type(error)):
        search(flat_bowl(), tmp_path, sampler=Ill(seed=1), trials=50, tracker=tracker)
    trials = held(tmp_path / "bowl-1", "bowl-1")
    assert len(trials) == 11
    assert not {TrialState.RUNNING, TrialState.WAITING} & {trial.state for trial in trials}
    assert end_of(trials[10])[:2] == (TrialState.FAIL, "interrupted")
    assert tracker.closed


def test_a_mirror_that_cannot_be_completed_does_not_hide_why_a_study_ended(tmp_path: Path) -> None:
    class Dead(MemoryTracker):
        def finish(self, summary: Summary, at: float) -> Mirror:
            raise TrackingError("the server is gone")

    tracker = Dead()
    with pytest.raises(KeyboardInterrupt):
        search(bowl(), tmp_path, trials=50, tracker=tracker, watch=at(5, interrupt))
    assert tracker.closed
    with pytest.raises(TrackingError, match="the server is gone"):
        search(bowl(), tmp_path, trials=3, tracker=Dead())


def test_no_file_or_process_is_left_open_behind_a_study(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(wine(epochs=1), tmp_path, trials=3, executor="process")


# ---- order


@pytest.mark.parametrize("population", [1, 3])
def test_trials_in_flight_are_bounded(population: int, tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    search(wine(epochs=Int(1, 4)), tmp_path, trials=40, population=population, watch=seen.append)
    assert max(each.running + each.waiting for each in seen) <= 2 * population
    assert min(each.running + each.waiting for each in seen) == 0


WIDE = wine(model=MLP(width=512, depth=2), optimizer="adam", batch_size=64, epochs=1)
"""A network of which the cache holds one: its trials train one after another."""


def test_no_more_trials_are_asked_for_than_can_train_soon(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    study = search(WIDE, tmp_path, trials=16, watch=seen.append)
    assert study.progress.sharing == 1
    assert max(each.running + each.waiting for each in seen) <= 8


def test_no_trial_begins_after_the_timeout(tmp_path: Path) -> None:
    study = search(WIDE, tmp_path, trials=None, timeout=0.2, sampler="random")
    began = time.time() - study.progress.seconds
    late = [result for result in study.trials if result.started > began + 0.2 + 0.2]
    assert len(late) <= 2


def test_seeds_follow_from_the_studys_seed_and_differ(tmp_path: Path) -> None:
    study = search(bowl(), tmp_path, trials=50, seed=7)
    assert all(given == wanted for given, wanted in seeds(study, 7))
    assert len({result.trial.seed for result in study.trials}) == 50
    assert all(0 <= trial_seed(seed, number) < 2**32 for seed in (0, 2**32 - 1) for number in (0, 10**6))


def test_a_worker_process_gives_the_same_study_as_this_process(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"trials": 30, "pruner": "median", "seed": 3, "population": 4}
    experiment = wine(optimizer=Choice(WILD, Adam), epochs=8)
    here = search(experiment, tmp_path / "a", **fields)
    there = search(experiment, tmp_path / "b", executor="process", **fields)
    assert story(here) == story(there)
    assert len({result.state for result in here.trials}) == 3


def test_the_names_of_parameters_line_up() -> None:
    assert optuna_name("optimizer.adam.lr", Float(0, 1)) == "optimizer.adam.lr"


class Forgetful(InlineExecutor):
    """Loses the trials that it is given."""

    def send(self, orders: Orders) -> None:
        super().send(Orders())


def test_a_worker_that_loses_trials_ends_the_study_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="nothing to train, yet these trials have not ended: 0, 1"):
        search(bowl(), tmp_path, trials=4, executor=Alone(Forgetful))
