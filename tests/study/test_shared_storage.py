"""A study in a real database, which goes away and comes back: nothing is lost, nothing is done twice."""

import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from postgresql import PASSWORD, Postgresql

from tunelab import Study
from tunelab.errors import StorageLost, StoreError
from tunelab.study import Snapshot, shared_storage
from tunelab.study.shared_storage import ASK, ENGINE, SharedStorage
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import State

from .lossy_proxy import LossyProxy
from .rig import bowl, search, story

ENDED = (State.COMPLETE, State.DIVERGED)


def stored(study: Study) -> list[Any]:
    """Return what the database holds of a study's trials, in the form in which a study tells it."""
    return [(trial.number, trial.state, trial.value) for trial in study.optuna.get_trials()]


def told(study: Study) -> list[Any]:
    """Return what the study says of them; of a pruned trial, Optuna keeps the last report."""
    states = {State.COMPLETE: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}
    return [
        (each.trial.number, states[each.state], each.curves["loss"].values[-1])
        if each.state in states
        else (each.trial.number, TrialState.FAIL, None)
        for each in study.trials
    ]


def test_a_database_changes_nothing_of_the_search(tmp_path: Path, postgresql: Postgresql) -> None:
    here = search(bowl(), tmp_path / "a", pruner="median")
    there = search(bowl(), tmp_path / "b", pruner="median", storage=postgresql.url)
    assert story(here) == story(there)
    assert stored(there) == told(there)
    with postgresql.storage() as storage:
        loaded = optuna.load_study(study_name=there.name, storage=storage)
        assert [trial.params for trial in loaded.trials] == [trial.params for trial in here.optuna.trials]


def test_every_trial_says_who_runs_it(tmp_path: Path, postgresql: Postgresql) -> None:
    study = search(bowl(), tmp_path, storage=postgresql.url)
    trials = study.optuna.get_trials()
    assert len({trial.user_attrs[ENGINE] for trial in trials}) == 1
    assert [trial.user_attrs[ASK] for trial in trials] == list(range(12))


@pytest.mark.parametrize("every", [3, 5, 7])
def test_what_was_done_before_the_answer_was_lost_is_not_done_again(
    every: int, tmp_path: Path, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_storage, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(shared_storage, "PATIENCE", 10.0)
    with LossyProxy(postgresql.port, every) as proxy:
        monkeypatch.setattr(SharedStorage, "create_new_study", _making(proxy))
        url = postgresql.url.replace(f":{postgresql.port}/", f":{proxy.port}/")
        study = search(bowl(), tmp_path / "a", storage=url, pruner="median")
        assert proxy.lost > 100 / every
        assert stored(study) == told(study)
        assert [trial.user_attrs[ASK] for trial in study.optuna.get_trials()] == list(range(12))
        proxy.is_lossy = False
    assert story(study) == story(search(bowl(), tmp_path / "b", pruner="median"))


def _making(proxy: LossyProxy) -> Any:
    """Return how to make a study, after which answers are lost: whatever comes before is not tried again."""
    create = SharedStorage.create_new_study

    def made(self: SharedStorage, *arguments: Any, **named: Any) -> int:
        found = create(self, *arguments, **named)
        proxy.is_lossy = True
        return found

    return made


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_study_outlasts_its_database(
    mode: str, tmp_path: Path, postgresql: Postgresql, caplog: pytest.LogCaptureFixture
) -> None:
    stops: list[threading.Timer] = []

    def restart(now: Snapshot) -> None:
        if now.done >= 10 and not stops:
            postgresql.stop(mode)
            stops.append(threading.Timer(1.0, postgresql.start))
            stops[0].start()

    study = search(bowl(), tmp_path, storage=postgresql.url, trials=40, pruner="median", watch=restart)
    stops[0].join()
    assert story(study) == story(search(bowl(), tmp_path / "undisturbed", trials=40, pruner="median"))
    assert stored(study) == told(study)
    assert len(study.optuna.get_trials()) == 40
    said = [record.getMessage() for record in caplog.records if record.name == shared_storage.__name__]
    assert "does not answer; trying again for 300 s: " in said[0]
    assert "answers again" in said[-1]
    assert PASSWORD not in caplog.text


def test_a_database_that_stays_away_ends_the_study(
    tmp_path: Path, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_storage, "PATIENCE", 1.0)
    tracker = MemoryTracker()

    def stop(now: Snapshot) -> None:
        if now.done >= 5 and postgresql.is_running:
            postgresql.stop()

    began = time.monotonic()
    with pytest.raises(
        StorageLost,
        match=r"did not answer for \d+ s \(.+\); what ended before is kept.*; then resume the study, or join it",
    ):
        search(bowl(), tmp_path, storage=postgresql.url, trials=40, tracker=tracker, watch=stop)
    assert 1.0 <= time.monotonic() - began < 20  # and not once for each trial that was open
    _check_ended(tracker)
    postgresql.start()
    with postgresql.storage() as storage:
        (left,) = optuna.get_all_study_summaries(storage)
        assert left.n_trials >= 5


def _check_ended(tracker: MemoryTracker) -> None:
    """Check that every trial has an end, and that the study's end counts the same: what was not stored is no result."""
    states = Counter(told.state for told in tracker.trials.values())
    assert set(states) <= {*ENDED, State.INTERRUPTED}
    assert states[State.INTERRUPTED] > 0
    assert tracker.summary is not None
    assert states == Counter(tracker.summary.counts)


def test_who_stops_does_not_wait_for_the_database(
    tmp_path: Path, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(now: Snapshot) -> None:
        if now.done >= 5 and postgresql.is_running:
            postgresql.stop()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shared_storage, "time", SimpleNamespace(sleep=interrupted, monotonic=time.monotonic))
    tracker = MemoryTracker()
    with pytest.raises(KeyboardInterrupt):
        search(bowl(), tmp_path, storage=postgresql.url, trials=40, tracker=tracker, watch=stop)
    _check_ended(tracker)


def test_a_trial_that_somebody_else_ended_is_not_told_again(tmp_path: Path, postgresql: Postgresql) -> None:
    study = search(bowl(), tmp_path, storage=postgresql.url, trials=3)
    trial = study.optuna.get_trials()[0]
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study.optuna._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [trial.value or 0.0])


def test_a_database_that_is_away_at_the_start_is_said_at_once(tmp_path: Path, postgresql: Postgresql) -> None:
    postgresql.stop()
    with pytest.raises(StoreError, match=r"postgresql\+psycopg://ann:\*\*\*@127.0.0.1:\d+/postgres cannot be opened: "):
        search(bowl(), tmp_path, storage=postgresql.url)


def test_braces_in_a_url_mean_themselves(tmp_path: Path) -> None:
    study = search(bowl(), tmp_path, storage=f"sqlite:///{tmp_path}/a{{b}}.db", trials=1)
    assert (tmp_path / "a{b}.db").is_file()
    assert len(study.optuna.trials) == 1
