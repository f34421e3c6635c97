"""Law 7: what MLflow shows equals what Optuna holds, and no run is left RUNNING."""

import shutil
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tunelab import Choice, Experiment, Float, Study
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[Study, MlflowClient]:
    """A study of which some trials are pruned and some diverge, and the store that shows it."""
    home = tmp_path_factory.mktemp("truth")
    shutil.copy(template, home / "mlflow.db")
    store = f"sqlite:///{home}/mlflow.db"
    experiment = Experiment(
        name="truth",
        data="wine",
        model=MLP(width=16, depth=1),
        optimizer=Choice(SGD.search(lr=Float(1e-3, 1e6, log=True)), Adam),
        batch_size=Choice(8, 16),
        epochs=8,
    )
    study = experiment.run(trials=40, pruner="median", tracking_uri=store, folder=home / "studies", seed=3)
    return study, MlflowClient(store)


def test_every_trial_is_shown_with_its_state_value_and_parameters(shown: tuple[Study, MlflowClient]) -> None:
    study, client = shown
    storage = JournalStorage(JournalFileBackend(str(study.folder / "optuna.journal")))
    held = {trial.number: trial for trial in optuna.load_study(study_name=study.name, storage=storage).trials}
    runs = client.search_runs([study.mlflow_experiment_id], f"tags.`mlflow.parentRunId` = '{study.mlflow_run_id}'")
    by_trial = {int(run.data.tags["tunelab.trial"]): run for run in runs}
    assert len(runs) == len(held) == len(study.trials) == 40
    assert {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL} <= {trial.state for trial in held.values()}
    for result in study.trials:
        trial, run = held[result.trial.number], by_trial[result.trial.number]
        assert run.info.status == STATUS[trial.state]
        assert run.data.tags["tunelab.state"] == result.state
        shown_params = {name: value for name, value in run.data.params.items() if not name.startswith("log10 ")}
        assert shown_params == {name: str(value) for name, value in result.trial.params.items()}
        assert run.data.metrics.get("objective") == (trial.value if trial.state is TrialState.COMPLETE else None)
        assert study.mirror.runs[result.trial.number] == run.info.run_id


def test_every_curve_is_shown_point_by_point(shown: tuple[Study, MlflowClient]) -> None:
    study, client = shown
    for result in study.trials[:10]:
        for name, curve in result.curves.items():
            points = client.get_metric_history(study.mirror.runs[result.trial.number], name)
            assert tuple((point.step, point.value) for point in points) == tuple(
                zip(curve.epochs, curve.values, strict=True)
            )


def test_no_run_is_left_running(shown: tuple[Study, MlflowClient]) -> None:
    study, client = shown
    statuses = {run.info.status for run in client.search_runs([study.mlflow_experiment_id])}
    assert "RUNNING" not in statuses
    assert client.get_run(study.mlflow_run_id).info.status == "FINISHED"
