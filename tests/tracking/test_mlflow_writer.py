import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from shown import children_of, curve, nothing_runs, parent_of, wait_until
from test_mlflow_tracker import PETS, small_model
from told import AT, EPOCHS, STATES, metrics, record, summary, tell_study, tell_trial, trial

from tunelab.tracking import MLflowTracker
from tunelab.tracking.mirror_state import FILE, MirrorState, Stage
from tunelab.trial import Report, State


def kill_writer(folder: Path) -> None:
    os.kill(MirrorState.load(folder).writer, signal.SIGKILL)


def run_writer(folder: Path, store: str) -> None:
    """Mirror a spool whose engine is long gone, as `tunelab sync` does."""
    command = [sys.executable, "-m", "tunelab.tracking.mlflow_writer", str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "MLFLOW_TRACKING_URI": store})


def test_a_killed_writer_is_started_again_and_doubles_nothing(store: str, folder: Path) -> None:
    tracker = MLflowTracker()
    tracker.begin(record(folder), AT)
    for number in range(20):
        tell_trial(tracker, number, State.COMPLETE)
    tracker.start(trial(20), AT + 20)
    tracker.report(Report(20, 1, 20, metrics(20, 1)), AT + 20.01)
    client = MlflowClient(store)
    wait_until(lambda: len(children_of(client)) > 5)
    kill_writer(folder)
    for number in range(21, 25):
        tell_trial(tracker, number, State.COMPLETE)
    tell_trial(tracker, 20, State.COMPLETE)
    mirror = tracker.finish(summary((State.COMPLETE,) * 25), AT + 100)
    children = children_of(client)
    assert {number: run.info.run_id for number, run in children.items()} == mirror.runs
    assert sorted(children) == list(range(25))
    assert {run.info.status for run in children.values()} == {"FINISHED"}
    for run in children.values():
        assert [step for step, _ in curve(client, run.info.run_id, "lr")] == list(range(1, EPOCHS + 1))


def test_a_killed_engine_leaves_nothing_running(store: str, folder: Path) -> None:
    """What it told last is shown; the trial that was open says why it ended."""
    script = Path(__file__).with_name("engine.py")
    command = [sys.executable, str(script), str(folder), "5"]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert engine.stdout is not None
    with engine.stdout:
        assert engine.stdout.readline() == b"told\n"
    engine.kill()
    engine.wait()
    wait_until(lambda: MirrorState.load(folder).stage is Stage.CLOSED)
    client = MlflowClient(store)
    assert nothing_runs(MirrorState.load(folder), client)
    children = children_of(client)
    assert sorted(children) == list(range(6))
    assert children[5].info.status == "KILLED"
    assert children[5].data.tags["tunelab.state"] == "interrupted"
    assert children[5].data.tags["tunelab.reason"] == "the engine process ended"
    assert children[5].data.metrics["val_accuracy"] == metrics(5, 1)["val_accuracy"]
    assert parent_of(client).info.status == "KILLED"


def test_a_writer_killed_while_it_makes_the_store_breaks_nothing(folder: Path, tmp_path: Path) -> None:
    tracker = MLflowTracker()
    tell_study(tracker, record(folder))
    wait_until(lambda: (tmp_path / ".mlflow.db.schema").exists())
    time.sleep(0.1)
    kill_writer(folder)
    assert not (tmp_path / "mlflow.db").exists()
    tracker.finish(summary(), AT + 100)
    assert len(children_of(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"))) == len(STATES)
    assert not list(tmp_path.glob(".mlflow.db.[sr]*"))


def test_a_spool_that_is_mirrored_again_changes_nothing(store: str, folder: Path) -> None:
    """Even where the writer's own notes are lost."""
    tracker = MLflowTracker()
    tell_study(tracker, record(folder))
    mirror = tracker.finish(summary(), AT + 100)
    client = MlflowClient(store)
    before = {number: run.to_dictionary() for number, run in children_of(client).items()}
    run_writer(folder, store)
    (folder / FILE).unlink()
    run_writer(folder, store)
    assert MirrorState.load(folder).runs == mirror.runs
    assert MirrorState.load(folder).refused == []
    assert {number: run.to_dictionary() for number, run in children_of(client).items()} == before


def test_a_model_is_logged_and_registered_once_however_often_the_spool_is_sent(store: str, folder: Path) -> None:
    """Also where the writer's notes are lost."""
    tracker = MLflowTracker()
    tell_study(tracker, record(folder, data=PETS), (State.COMPLETE,))
    small_model().save(folder / "best.safetensors")
    mirror = tracker.finish(summary((State.COMPLETE,), weights=folder / "best.safetensors", register="pets"), AT + 100)
    client = MlflowClient(store)
    experiment = [mirror.experiment_id or ""]
    (whole,) = client.search_logged_models(experiment)
    (folder / FILE).unlink()
    run_writer(folder, store)
    assert MirrorState.load(folder).registered == mirror.registered == "models:/pets/1"
    assert [model.model_id for model in client.search_logged_models(experiment)] == [whole.model_id]
    assert len(client.search_model_versions("name = 'pets'")) == 1


def test_a_model_half_made_is_made_again(store: str, folder: Path) -> None:
    tracker = MLflowTracker()
    tell_study(tracker, record(folder, data=PETS), (State.COMPLETE,))
    small_model().save(folder / "best.safetensors")
    client = MlflowClient(store)
    wait_until(lambda: children_of(client))
    experiment, run = client.get_experiment_by_name("digits").experiment_id, children_of(client)[0].info.run_id
    half = client.create_logged_model(experiment, "model", source_run_id=run)
    client.log_outputs(run, [LoggedModelOutput(half.model_id, step=4)])
    mirror = tracker.finish(summary((State.COMPLETE,), weights=folder / "best.safetensors", register="pets"), AT + 100)
    (model,) = client.search_logged_models([experiment])
    assert model.model_id != half.model_id
    assert model.status == "READY"
    assert client.get_model_version("pets", "1").source == f"models:/{model.model_id}"
    assert (mirror.registered, mirror.notes) == ("models:/pets/1", ())
