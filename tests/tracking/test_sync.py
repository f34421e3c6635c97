"""What a study holds and MLflow does not show yet is sent later, once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from shown import children_of, curve, parent_of, runs_of, wait_until
from told import metrics

from tunelab import Experiment
from tunelab.errors import StoreError
from tunelab.models import MLP
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.sync import home_of, sync, unsent


def test_a_study_that_was_not_shown_is_sent_and_then_is_not_sent_again(tmp_path: Path) -> None:
    shown, later = f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/second.db"
    experiment = Experiment(name="wine", data="wine", model=MLP(width=8), optimizer="adam", epochs=2)
    study = experiment.run(trials=4, tracking_uri=shown, folder=tmp_path / "studies")
    assert unsent(tmp_path / "studies") == []
    next((tmp_path / "studies").rglob("mirror.json")).unlink()  # as if no writer had ever come through
    assert unsent(tmp_path / "studies") == [study.folder]
    assert sync(study.folder, later) is None
    assert unsent(tmp_path / "studies") == []
    state = MirrorState.load(study.folder)
    runs = MlflowClient(later).search_runs([state.experiment_id], f"tags.`mlflow.parentRunId` = '{state.run_id}'")
    assert {run.data.metrics["objective"] for run in runs} == {result.value for result in study.trials}
    assert json.loads((study.folder / "experiment.json").read_text())["name"] == "wine"


@pytest.mark.parametrize("name", ["", "..", "../x", "a\0b", "x" * 300, "\udcff", "digits-1/spool.jsonl"])
def test_what_is_no_studys_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "digits-1").mkdir()
    (tmp_path / "digits-1/spool.jsonl").touch()
    with pytest.raises(StoreError, match=r"(?s)is no study that MLflow was to show: it has no spool"):
        home_of(name, tmp_path / "studies")


@pytest.mark.parametrize("thorough", [False, True])
def test_what_engine_and_writer_left_running_when_both_were_killed_is_ended(
    thorough: bool, store: str, folder: Path
) -> None:
    """As when a machine loses its power."""
    script = Path(__file__).with_name("engine.py")
    command = [sys.executable, str(script), str(folder), "3"]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    client = MlflowClient(store)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as engine:
        wait_until(lambda: len(children_of(client)) == 4)
        os.kill(MirrorState.load(folder).writer, signal.SIGKILL)
        engine.kill()
    assert (parent_of(client).info.status, children_of(client)[3].info.status) == ("RUNNING", "RUNNING")
    assert sync(folder, store, thorough=thorough) is None
    assert MirrorState.load(folder).mended == {"run closed": 2, "trial written": 1}
    assert parent_of(client).info.status == "KILLED"
    assert {number: run.info.status for number, run in children_of(client).items()} == {
        0: "FINISHED", 1: "FINISHED", 2: "FINISHED", 3: "KILLED",
    }  # fmt: skip
    last = children_of(client)[3]
    assert last.data.tags["tunelab.reason"] == "the engine process ended"
    assert curve(client, last.info.run_id, "val_loss") == [(1, metrics(3, 1)["val_loss"])]
    assert len(runs_of(client, "digits")) == 5
    assert unsent(folder.parent) == []
