"""What a study holds and MLflow does not show yet is sent later, once."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

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
    with pytest.raises(StoreError, match=r"(?s)A study that was mirrored into MLflow is required; .* has no spool"):
        home_of(name, tmp_path / "studies")
