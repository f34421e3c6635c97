import json
import math
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from shown import children_of, curve, parent_of, wait_until
from told import AT, EPOCHS, STATES, metrics, record, summary, tell_study, tell_trial, trial

from tunelab.contracts import Inputs, Outputs
from tunelab.errors import StoreError, TrackingError
from tunelab.models import SoftmaxRegression
from tunelab.tracking import MemoryTracker, MLflowTracker
from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.mlflow_study import study_status
from tunelab.training.trained import TrainedModel
from tunelab.trial import DataRecord, Mirror, Report, State

STATUSES = {
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
    State.INTERRUPTED: "KILLED",
}

PETS = DataRecord("pets", "arrays", "ef" * 32, {"train": 5}, 3, "classes", 2)


@dataclass(frozen=True)
class Told:
    place: Path
    store: str
    client: MlflowClient
    mirror: Mirror
    memory: MemoryTracker
    trained: TrainedModel


@pytest.fixture(scope="module")
def told(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One study, told to MLflow and to memory, with a model: making a writer's process for each test takes seconds."""
    place = tmp_path_factory.mktemp("told")
    shutil.copy(template, place / "mlflow.db")
    (place / "digits.py").write_text("experiment = ...")
    trained = small_model()
    trained.save(place / "best.safetensors")
    store = f"sqlite:///{place / 'mlflow.db'}"
    tracker, memory = MLflowTracker(store), MemoryTracker()
    study = record(place / "studies" / "digits-1", source_file=place / "digits.py", data=PETS)
    for peer in (tracker, memory):
        tell_study(peer, study)
    mirror = tracker.finish(summary(weights=place / "best.safetensors", register="pets"), AT + 100)
    return Told(place, store, MlflowClient(store), mirror, memory, trained)


def small_model() -> TrainedModel:
    rng = np.random.default_rng(0)
    weights = {"0.weight": rng.normal(size=(3, 2)), "0.bias": rng.normal(size=2)}
    scaling = {"shift": np.zeros(3), "spread": np.ones(3), "target_shift": np.zeros(2), "target_spread": np.ones(2)}
    row, told, examples = Inputs((3,)), Outputs(2), np.arange(6.0).reshape(2, 3)
    return TrainedModel(
        SoftmaxRegression(),
        weights,
        row,
        told,
        "classes",
        ("cat", "dog"),
        scaling,
        x_type="float64",
        dtype="float64",
        seed=0,
        examples=examples,
    )


def test_mlflow_shows_what_was_told_and_memory_keeps(told: Told) -> None:
    """Law 7, truth: same trials, parameters, states, values, curves and times."""
    client = told.client
    children = children_of(client)
    assert {number: run.info.run_id for number, run in children.items()} == told.mirror.runs
    for number, kept in told.memory.trials.items():
        run = children[number]
        assert kept.state is not None
        assert run.info.status == STATUSES[kept.state]
        assert run.data.tags["tunelab.state"] == kept.state
        assert run.data.tags.get("tunelab.reason") == kept.reason
        assert run.data.tags["tunelab.seed"] == str(kept.trial.seed)
        assert run.data.tags["tunelab.study"] == "digits-1"
        assert run.data.metrics.get("objective") == kept.value
        assert (run.info.start_time, run.info.end_time) == (kept.started * 1000, (kept.ended or 0) * 1000)
        shown = {name: value for name, value in run.data.params.items() if not name.startswith("log10")}
        assert shown == {name: str(value) for name, value in kept.trial.params.items()}
        for name in kept.reports[0].metrics:
            expected = kept.curve(name)
            assert curve(client, run.info.run_id, name) == list(zip(expected.epochs, expected.values, strict=True))
    stamps = [point.timestamp for point in client.get_metric_history(children[1].info.run_id, "val_loss")]
    assert stamps == [round(at * 1000) for at in told.memory.trials[1].times]


def test_the_parent_says_what_was_asked_and_what_came_out(told: Told) -> None:
    client, mirror = told.client, told.mirror
    parent = parent_of(client)
    assert (parent.info.run_id, parent.info.run_name, parent.info.status) == (mirror.run_id, "digits-1", "KILLED")
    assert parent.data.params["sampler"] == "tpe"
    assert parent.data.tags["tunelab.experiment_hash"] == "ab" * 32
    assert parent.data.tags["mlflow.source.name"] == str(told.place / "digits.py")
    assert parent.data.tags["mlflow.user"]
    assert parent.data.tags["tunelab.version.their-rules"] == "4.5.6"
    assert parent.data.tags["tunelab.platform"] == "an abacus"
    assert parent.data.metrics["trials_complete"] == STATES.count(State.COMPLETE)
    assert parent.data.metrics["best_value"] == summary().best_value
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert names == {"digits.py", "experiment.json", "experiment.sha256"}
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("pets", PETS.fingerprint[:36])
    assert json.loads(data.dataset.profile)["rows"] == PETS.rows
    experiment = client.get_experiment(mirror.experiment_id)
    assert experiment.artifact_location == (told.place / "mlartifacts").as_uri()


def test_the_best_trials_model_can_be_loaded(told: Told) -> None:
    best = told.mirror.runs[summary().best or 0]
    assert {item.path for item in told.client.list_artifacts(best)} == {"best.safetensors"}
    mlflow.set_tracking_uri(told.store)
    x = np.random.default_rng(1).normal(size=(5, 3))
    for place in (f"runs:/{best}/model", "models:/pets/1"):
        model = load_model(place)
        assert model.predict(x).tolist() == told.trained.predict(x).tolist()
        assert model.predict(pd.DataFrame(x)).tolist() == told.trained.predict(x).tolist()
        assert str(model.metadata.signature.inputs) == "[Tensor('float64', (-1, 3))]"
        assert str(model.metadata.signature.outputs) == "[Tensor('str', (-1,))]"
        assert np.array_equal(model.input_example, told.trained.examples)
    assert [file for file in told.place.rglob("*") if file.suffix in (".pkl", ".pickle")] == []
    needed = Path(artifacts(told, "model")).joinpath("requirements.txt").read_text().split()
    assert {each.partition("==")[0] for each in needed} == {"mlflow", "tunelab", "numpy"}


def load_model(place: str) -> Any:
    with warnings.catch_warnings():  # at import, of MLflow's own type hints
        warnings.simplefilter("ignore", UserWarning)
        from mlflow.pyfunc import load_model

    return load_model(place)


def artifacts(told: Told, name: str) -> str:
    (model,) = told.client.search_logged_models([told.mirror.experiment_id or ""], f"name = '{name}'")
    return str(model.artifact_location).removeprefix("file://")


def test_the_best_trials_model_is_registered_where_it_is_asked_for(told: Told) -> None:
    assert told.mirror.registered == "models:/pets/1"
    assert told.mirror.notes == ()
    (version,) = told.client.search_model_versions("name = 'pets'")
    best = summary().best or 0
    assert (version.run_id, version.status) == (told.mirror.runs[best], "READY")
    assert version.tags == {"tunelab.study": "digits-1", "tunelab.trial": str(best)}


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((State.COMPLETE, State.FAILED), "FINISHED"),
        ((State.FAILED, State.DIVERGED), "FAILED"),
        ((State.PRUNED, State.INTERRUPTED), "KILLED"),
        ((), "FINISHED"),
    ],
)
def test_the_parents_status(states: tuple[State, ...], status: str) -> None:
    assert study_status(summary(states)) == status


def test_names_numbers_and_lengths_that_mlflow_would_refuse(
    store: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "elsewhere")
    odd = {"f(x)": math.nan, "f[x]": math.inf, "/rooted": 1.0, "../up": 2.0, "ü": 3.0, "": 4.0, "x" * 300: 5.0}
    tracker = MLflowTracker()
    tracker.begin(record(folder, data=None), AT)
    tracker.start(trial(0), AT)
    tracker.report(Report(0, 1, 1, odd), AT)
    tracker.end(0, State.FAILED, None, "line one\n" + "x" * 10_000, AT + 1)
    tell_trial(tracker, 1, State.COMPLETE, epochs=900)
    tracker.finish(summary((State.FAILED, State.COMPLETE)), AT + 2)
    client = MlflowClient(store)
    children = children_of(client, "elsewhere")
    shown = children[0].data
    assert len(shown.metrics) == len(odd)
    assert math.isnan(shown.metrics["f_x_"])
    assert shown.metrics["f_x__2"] > 1e308
    assert shown.tags["tunelab.reason"].startswith("line one\nxxx")
    points = client.get_metric_history(children[1].info.run_id, "lr")
    assert sorted(point.step for point in points) == list(range(1, 901))


def test_two_studies_at_once_in_a_fresh_folder(tmp_path: Path) -> None:
    trackers = [MLflowTracker(), MLflowTracker()]
    for name, tracker in zip(("digits-1", "digits-2"), trackers, strict=True):
        tell_study(tracker, record(tmp_path / "studies" / name))
    mirrors = [tracker.finish(summary(), AT + 100) for tracker in trackers]
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert mirrors[0].experiment_id == mirrors[1].experiment_id
    runs = client.search_runs([mirrors[0].experiment_id or ""])
    assert len(runs) == 2 * (1 + len(STATES))
    assert {run.info.status for run in runs} <= set(STATUSES.values())


def test_a_long_trials_curve_is_seen_while_it_trains(store: str, folder: Path) -> None:
    tracker = MLflowTracker()
    tracker.begin(record(folder), AT)
    tracker.start(trial(0), AT)
    tracker.report(Report(0, 1, 20, metrics(0, 1)), AT + 1)  # trains since 2023: the buffer's seconds are over
    client = MlflowClient(store)
    wait_until(lambda: children_of(client))
    assert children_of(client)[0].info.status == "RUNNING"
    assert parent_of(client).info.status == "RUNNING"
    tracker.report(Report(0, 2, 40, metrics(0, 2)), AT + 2)
    tracker.end(0, State.COMPLETE, 0.5, None, AT + 3)
    tracker.finish(summary((State.COMPLETE,)), AT + 4)
    run = children_of(client)[0]
    assert (run.info.status, run.data.tags["tunelab.state"], run.data.metrics["objective"]) == (
        "FINISHED",
        "complete",
        0.5,
    )
    assert [step for step, _ in curve(client, run.info.run_id, "val_loss")] == [1, 2]


def test_a_study_that_was_left_and_goes_on_keeps_its_runs(store: str, folder: Path) -> None:
    """Left, it ends what is open; a trial then goes on in its own run, and an epoch trained again is shown once."""
    first = MLflowTracker()
    first.begin(record(folder), AT)
    tell_trial(first, 0, State.COMPLETE)
    tell_trial(first, 1, State.INTERRUPTED, epochs=2)
    first.start(trial(2), AT + 2)
    first.report(Report(2, 1, 20, metrics(2, 1)), AT + 3)
    began = time.monotonic()
    first.close()
    assert time.monotonic() - began < 5
    first.close()
    wait_until(lambda: MirrorState.load(folder).stage is Stage.CLOSED)
    client = MlflowClient(store)
    assert parent_of(client).info.status == "KILLED"
    left = children_of(client)[2]
    assert (left.info.status, left.data.tags["tunelab.reason"]) == ("KILLED", "the study was interrupted")
    second = MLflowTracker()
    second.begin(record(folder), AT + 50)
    tell_trial(second, 1, State.COMPLETE, at=AT + 50)
    tell_trial(second, 2, State.PRUNED, at=AT + 50)
    mirror = second.finish(summary((State.COMPLETE, State.COMPLETE, State.PRUNED)), AT + 100)
    children = children_of(client)
    assert {number: run.info.status for number, run in children.items()} == {0: "FINISHED", 1: "FINISHED", 2: "KILLED"}
    assert {number: run.info.run_id for number, run in children.items()} == mirror.runs
    for number in (1, 2):
        assert [step for step, _ in curve(client, mirror.runs[number], "val_loss")] == list(range(1, EPOCHS + 1))
        assert "tunelab.reason" not in children[1].data.tags
    assert parent_of(client).info.status == "FINISHED"
    assert "tunelab.reason" not in parent_of(client).data.tags


def test_a_run_that_somebody_deleted_stops_nothing(store: str, folder: Path) -> None:
    tracker = MLflowTracker()
    tracker.begin(record(folder), AT)
    tracker.start(trial(0), AT)
    tracker.report(Report(0, 1, 20, metrics(0, 1)), AT)
    client = MlflowClient(store)
    wait_until(lambda: children_of(client))
    client.delete_run(children_of(client)[0].info.run_id)
    tracker.end(0, State.COMPLETE, 0.5, None, AT + 1)
    tell_trial(tracker, 1, State.COMPLETE)
    with pytest.raises(TrackingError, match="trial 0"):
        tracker.finish(summary((State.COMPLETE, State.COMPLETE)), AT + 100)
    assert children_of(client)[1].info.status == "FINISHED"


def test_a_file_that_is_no_database_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("once upon a time there was no database")
    with pytest.raises(StoreError, match="not a SQLite database"):
        MLflowTracker().begin(record(folder), AT)
    assert not folder.exists()


def test_a_database_that_mlflow_cannot_open_is_refused_in_time(folder: Path) -> None:
    tracker = MLflowTracker("postgresql://ada:secret@127.0.0.1:9/none")
    began = time.monotonic()
    with pytest.raises(StoreError, match="is required") as refusal:
        tracker.begin(record(folder), AT)
    assert time.monotonic() - began < 16
    assert "secret" not in str(refusal.value)
    assert "secret" not in "".join(file.read_text() for file in folder.iterdir())
    tracker.close()


def test_a_model_that_cannot_be_kept_is_noted_and_the_study_ends_well(store: str, folder: Path) -> None:
    tracker = MLflowTracker()
    tell_study(tracker, record(folder), (State.COMPLETE,))
    (folder / "best.safetensors").write_bytes(b"no model")
    mirror = tracker.finish(summary((State.COMPLETE,), weights=folder / "best.safetensors", register="pets"), AT + 100)
    assert mirror.registered is None
    (note,) = mirror.notes
    assert note.startswith("MLflow does not have the best trial's model: DataError: ")
    client = MlflowClient(store)
    assert parent_of(client).info.status == "FINISHED"
    assert client.search_registered_models() == []


@pytest.mark.parametrize("name", ["digits/best", "a:b", "", "  ", ".", "..up", "x" * 257, 3])
def test_a_name_that_the_registry_refuses_is_refused_before_anything_trains(name: Any) -> None:
    with pytest.raises(StoreError, match="register"):
        MLflowTracker().check_name(name)


def test_the_registry_takes_every_name_that_is_let_through(store: str) -> None:
    client = MlflowClient(store)
    for name in ("digits", "digits best", "ünï.v2-%", "x" * 256, "a.b.c", "'quoted'"):
        MLflowTracker().check_name(name)
        client.create_registered_model(name)


def test_an_event_outside_a_study_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="begin"):
        MLflowTracker().start(trial(0), AT)


def test_the_engines_side_imports_no_mlflow() -> None:
    code = "import sys, tunelab.tracking.mlflow_tracker, tunelab.tracking.ui; print('mlflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
