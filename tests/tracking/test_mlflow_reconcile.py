"""What MLflow shows of a study is compared with what the study holds, and mended."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from shown import children_of, curve, parent_of, wait_until
from told import AT, EPOCHS, metrics, record, summary, tell_study, tell_trial, trial

from tunelab.tracking import MLflowTracker
from tunelab.tracking.mirror_state import FILE, MirrorState, Stage
from tunelab.tracking.spool import SPOOL
from tunelab.tracking.sync import sync, unsent
from tunelab.trial import Report, State


@pytest.fixture
def client(store: str) -> MlflowClient:
    return MlflowClient(store)


@pytest.fixture
def told(store: str, folder: Path) -> Path:
    """A study that MLflow shows; its folder."""
    tracker = MLflowTracker()
    tell_study(tracker, record(folder))
    tracker.finish(summary(), AT + 100)
    return folder


def plain(client: MlflowClient) -> dict[int, Any]:
    """What is shown of every trial, without the identifiers of runs."""
    return {number: _plain(client, run) for number, run in children_of(client).items()}


def _plain(client: MlflowClient, run: Run) -> Any:
    info = (run.info.status, run.info.start_time, run.info.end_time)
    curves = {
        name: [(point.step, point.value, point.timestamp) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    return info, run.data.params, run.data.tags, curves


def sql(store: str, *statements: str) -> None:
    """Do to the store what no client can."""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_what_is_right_is_left_alone(
    store: str, told: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where MLflow's variables name another experiment by now."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "elsewhere")
    before, model = plain(client), MirrorState.load(told)
    assert sync(told, store, thorough=True) is None
    assert plain(client) == before
    after = MirrorState.load(told)
    assert (after.runs, after.stage, after.read, after.open) == (model.runs, Stage.FINISHED, model.read, set())
    assert not any(after.mended.values())
    assert (told / "mlflow.log").read_text() == ""
    assert client.get_experiment_by_name("elsewhere") is None


def test_everything_that_can_be_wrong_is_mended(store: str, told: Path, client: MlflowClient) -> None:
    before, runs = plain(client), MirrorState.load(told).runs
    parent = before_parent = parent_of(client)
    client.delete_run(runs[0])
    client.set_terminated(runs[1], "FAILED", 1)
    client.update_run(runs[2], "RUNNING")
    client.set_tag(runs[3], "tunelab.reason", "nobody knows")
    gone, emptied = runs[4], runs[5]
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
        sql(store, f"DELETE FROM {table} WHERE run_uuid = '{gone}'")
    sql(
        store,
        f"DELETE FROM metrics WHERE run_uuid = '{emptied}' AND key = 'lr' AND step = 2",
        f"DELETE FROM metrics WHERE run_uuid = '{runs[1]}' AND key = 'val_loss' AND step = {EPOCHS}",
        f"DELETE FROM latest_metrics WHERE run_uuid = '{runs[1]}' AND key = 'val_loss'",
        f"UPDATE runs SET status = 'RUNNING' WHERE run_uuid = '{parent.info.run_id}'",
    )
    second = client.create_run(parent.info.experiment_id, tags={**client.get_run(runs[1]).data.tags}).info.run_id
    assert unsent(told.parent) == []
    assert sync(told, store, thorough=True) is None
    assert plain(client) == before
    assert {number for number, run in MirrorState.load(told).runs.items() if run != runs[number]} == {4}
    assert MirrorState.load(told).mended == {
        "run restored": 1, "double deleted": 1, "run closed": 2, "trial written": 5
    }  # fmt: skip
    assert parent_of(client).to_dictionary() == before_parent.to_dictionary()
    doubled = client.get_run(second)
    assert doubled.info.lifecycle_stage == "deleted"
    assert runs[1] in doubled.data.tags["tunelab.reason"]


def test_a_study_whose_own_run_is_gone_gets_another_and_keeps_its_trials(
    store: str, told: Path, client: MlflowClient
) -> None:
    before = plain(client)
    parent = parent_of(client)
    client.delete_run(parent.info.run_id)
    assert sync(told, store, thorough=True) is None
    assert parent_of(client).to_dictionary() == parent.to_dictionary(), "it was restored"
    assert MirrorState.load(told).mended == {"run restored": 1, "run closed": 0}
    client.set_terminated(parent.info.run_id, "FAILED")
    assert sync(told, store, thorough=True) is None
    assert MirrorState.load(told).mended == {"run closed": 0, "study described": 1}
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
        sql(store, f"DELETE FROM {table} WHERE run_uuid = '{parent.info.run_id}'")
    assert sync(told, store, thorough=True) is None
    assert MirrorState.load(told).mended == {"run closed": 0, "study described": 1}
    made = parent_of(client)
    assert made.info.run_id != parent.info.run_id
    assert (made.data.params, made.data.metrics) == (parent.data.params, parent.data.metrics)
    assert (made.info.status, made.info.end_time) == (parent.info.status, parent.info.end_time)
    for shown in before.values():
        shown[2]["mlflow.parentRunId"] = made.info.run_id
    assert plain(client) == before


def test_another_store_gets_all_of_it(store: str, told: Path, client: MlflowClient, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    assert sync(told, other, thorough=True) is None
    assert without_parent(plain(MlflowClient(other))) == without_parent(plain(client))
    before = plain(client)
    assert sync(told, store) is None
    assert plain(client) == before, "and the first store is known again"


def without_parent(shown: dict[int, Any]) -> dict[int, Any]:
    for _, _, tags, _ in shown.values():
        tags.pop("mlflow.parentRunId")
    return shown


def test_notes_that_are_torn_are_looked_up(store: str, told: Path, client: MlflowClient) -> None:
    before, notes = plain(client), MirrorState.load(told)
    (told / FILE).write_bytes((told / FILE).read_bytes()[:200])
    assert unsent(told.parent) == [told]
    assert sync(told, store) is None
    assert plain(client) == before
    assert MirrorState.load(told).runs == notes.runs


@pytest.mark.parametrize("damage", ["deleted", "spoiled"])
def test_a_spool_that_was_lost_is_told_again_and_no_point_is_shown_twice(
    damage: str, store: str, folder: Path, client: MlflowClient
) -> None:
    """Told again, everything happens a little later than it did, but not in MLflow."""
    first = MLflowTracker()
    first.begin(record(folder), AT)
    tell_trial(first, 0, State.COMPLETE)
    first.start(trial(1), AT + 1)
    for epoch in (1, 2):
        first.report(Report(1, epoch, 20 * epoch, metrics(1, epoch)), AT + 1 + epoch)
    first.close()
    wait_until(lambda: MirrorState.load(folder).stage is Stage.CLOSED)
    text = (folder / SPOOL).read_bytes()
    (folder / SPOOL).unlink()
    if damage == "spoiled":
        (folder / SPOOL).write_bytes(text[:2000] + b"\0" * 100 + text[2100:])
    second = MLflowTracker()
    second.begin(record(folder), AT + 50)
    tell_trial(second, 0, State.COMPLETE, at=AT + 0.003)
    tell_trial(second, 1, State.COMPLETE, at=AT + 50)
    second.finish(summary((State.COMPLETE, State.COMPLETE)), AT + 100)
    children = children_of(client)
    assert parent_of(client).info.status == "FINISHED"
    for number in (0, 1):
        run = children[number]
        assert (run.info.status, run.data.tags["tunelab.state"]) == ("FINISHED", "complete")
        for name in metrics(number, 1):
            expected = [(epoch, metrics(number, epoch)[name]) for epoch in range(1, EPOCHS + 1)]
            assert curve(client, run.info.run_id, name) == expected


def test_notes_that_are_newer_than_the_spool_are_looked_up(store: str, folder: Path, client: MlflowClient) -> None:
    """A machine that goes down may lose the spool's last lines, and keep what was noted of them."""
    tracker = MLflowTracker()
    tracker.begin(record(folder, data=None), AT)
    for number in range(6):
        tell_trial(tracker, number, State.COMPLETE)
    tracker.close()
    assert sync(folder, store) is None
    lines = (folder / SPOOL).read_bytes().splitlines(keepends=True)
    (folder / SPOOL).write_bytes(b"".join(lines[:-13]))  # the last word, and the last two trials
    assert sync(folder, store) is None
    assert unsent(folder.parent) == []
    tracker = MLflowTracker()
    tracker.begin(record(folder, data=None), AT)
    for number in range(8):
        tell_trial(tracker, number, State.COMPLETE)
    mirror = tracker.finish(summary((State.COMPLETE,) * 8), AT + 100)
    assert (mirror.notes, mirror.incomplete) == ((), None)
    assert unsent(folder.parent) == []
    assert {run.info.status for run in (parent_of(client), *children_of(client).values())} == {"FINISHED"}
    for run in children_of(client).values():
        assert [epoch for epoch, _ in curve(client, run.info.run_id, "val_loss")] == list(range(1, EPOCHS + 1))
