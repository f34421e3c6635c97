"""Requests that nobody answers: they were done, or were not, or will be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from shown import children_of, curve, parent_of
from told import AT, EPOCHS, metrics, record, summary, tell_trial, trial

from tunelab.contracts import Tracker
from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.mlflow_mirror import StudyMirror
from tunelab.tracking.mlflow_patience import Patience
from tunelab.tracking.mlflow_writer import Writer
from tunelab.tracking.spool import (
    SPOOL,
    EpochReported,
    Spool,
    SpoolReader,
    StudyBegan,
    StudyFinished,
    TrialEnded,
    TrialStarted,
)
from tunelab.trial import Mirror, Report, State, StudyRecord, Summary, Trial


class Forgetful(MlflowClient):
    """Gives no answer to the first request of each kind for a trial.

    Args:
        uri: the store.
        when: it was done `before` the answer was lost, is done `late`, after the next of its kind, or `never`.
    """

    def __init__(self, uri: str, when: str) -> None:
        super().__init__(uri)
        self._when = when
        self._late: dict[str, Callable[[], Any]] = {}
        self.asked: dict[str, int] = {}
        self.points: list[int] = []

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        done = lambda: MlflowClient.create_run(self, *args, **kwargs)  # noqa: E731
        return self._lose("create_run of the study" if "tunelab.id" in args[2] else "create_run", done)

    def log_batch(self, *args: Any, **kwargs: Any) -> Any:
        done = lambda: MlflowClient.log_batch(self, *args, **kwargs)  # noqa: E731
        if len(args) < 4:  # the study's own
            return done()
        self.points.append(len(args[1]))
        return self._lose("log_batch", done)

    def set_terminated(self, *args: Any, **kwargs: Any) -> Any:
        return self._lose("set_terminated", lambda: MlflowClient.set_terminated(self, *args, **kwargs))

    def _lose(self, kind: str, request: Callable[[], Any]) -> Any:
        self.asked[kind] = self.asked.get(kind, 0) + 1
        if self.asked[kind] > 1:
            answer = request()
            self._late.pop(kind, lambda: None)()
            return answer
        if self._when == "before":
            request()
        elif self._when == "late":
            self._late[kind] = request
        raise MlflowException("no answer")


class SpoolTracker(Tracker):
    """Writes a study's spool, and nothing more."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._spool = Spool(folder / SPOOL)

    def begin(self, study: StudyRecord, at: float) -> None:
        self._spool.append(StudyBegan(study, "run.py", at))

    def start(self, trial: Trial, at: float) -> None:
        self._spool.append(TrialStarted(trial, at))

    def report(self, report: Report, at: float) -> None:
        self._spool.append(EpochReported(report, at))

    def end(self, trial: int, state: State, value: float | None, reason: str | None, at: float) -> None:
        self._spool.append(TrialEnded(trial, state, value, reason, at))

    def finish(self, summary: Summary, at: float) -> Mirror:
        self._spool.append(StudyFinished(summary, at))
        return Mirror()

    def close(self) -> None:
        self._spool.close()


@pytest.mark.parametrize("when", ["before", "late", "never"])
def test_nothing_is_done_twice_and_nothing_is_left_out(
    when: str, store: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = SpoolTracker(folder)
    tracker.begin(record(folder, data=None), AT)
    for number in range(3):
        tell_trial(tracker, number, State.COMPLETE)
    tracker.finish(summary((State.COMPLETE,) * 3), AT + 100)
    tracker.close()
    client = Forgetful(store, when)
    monkeypatch.setattr("tunelab.tracking.mlflow_mirror.open_store", lambda _: client)
    state = MirrorState()
    lines = SpoolReader(folder / SPOOL).read()
    began = lines[0].event
    assert isinstance(began, StudyBegan)
    mirror = StudyMirror(store, Patience(server=True, unattended=lambda: False), state, began)
    assert mirror.in_doubt
    mirror.reconcile(folder / SPOOL)
    assert not mirror.in_doubt
    for line in lines:
        mirror.take(line)
    again = 0 if when == "before" else 1
    assert client.asked == {
        "create_run of the study": 1 + again, "create_run": 3 + again, "log_batch": 4, "set_terminated": 5,
    }  # fmt: skip
    expected = EPOCHS * len(metrics(0, 1)) + 1
    assert client.points == [expected, 0 if when == "before" else expected, expected, expected]
    assert mirror.in_doubt
    mirror.reconcile(folder / SPOOL)
    assert not mirror.in_doubt
    assert (state.stage, state.keep) == (Stage.FINISHED, lines[-1].stop), "nothing is to be done again"
    children = children_of(client)
    assert {number: run.info.run_id for number, run in children.items()} == state.runs
    deleted = client.search_runs([state.experiment_id or ""], run_view_type=ViewType.DELETED_ONLY)
    names = {run.data.tags.get("tunelab.trial", "the study") for run in deleted}
    assert names == ({"0", "the study"} if when == "late" else set())
    assert {run.info.status for run in (parent_of(client), *children.values())} == {"FINISHED"}
    for number, run in children.items():
        points = [(epoch, metrics(number, epoch)["val_loss"]) for epoch in range(1, EPOCHS + 1)]
        assert curve(client, run.info.run_id, "val_loss") == points


class Shaky(MlflowClient):
    """Gives no answer to the first request to end a run."""

    is_lost = False

    def set_terminated(self, *args: Any, **kwargs: Any) -> Any:
        if not self.is_lost:
            self.is_lost = True
            raise MlflowException("no answer", error_code=TEMPORARILY_UNAVAILABLE)
        return super().set_terminated(*args, **kwargs)


def test_what_a_killed_engine_left_is_ended_though_an_answer_was_lost_meanwhile(
    store: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = SpoolTracker(folder)
    tracker.begin(record(folder, data=None), AT)
    tracker.start(trial(0), AT + 1)
    tracker.report(Report(0, 1, 10, metrics(0, 1)), AT + 2)
    tracker.close()
    client = Shaky(store)
    monkeypatch.setattr("tunelab.tracking.mlflow_mirror.open_store", lambda _: client)
    assert Writer(folder, store, None).run()
    assert client.is_lost
    assert {run.info.status for run in (parent_of(client), *children_of(client).values())} == {"KILLED"}
