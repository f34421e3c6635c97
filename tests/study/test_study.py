"""`Study`: what a person gets back."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from tunelab import Study
from tunelab.errors import RunError
from tunelab.trial import State

from .rig import search, wine


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(wine(optimizer="sgd"), tmp_path_factory.mktemp("study"), trials=10, pruner="median")


def test_a_frame_has_a_row_a_trial_and_a_column_for_all_that_is_known(study: Study) -> None:
    frame = study.frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["trial"]) == list(range(10))
    assert set(frame.columns) == {
        *("trial", "state", "value", "reason", "seed", "seconds", "mlflow_run_id"),
        *study.trials[0].trial.params,
        *("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"),
    }
    for row, result in zip(frame.to_dict("records"), study.trials, strict=True):
        assert row["state"] == str(result.state)
        assert row["value"] == result.value or pd.isna(row["value"])
        assert {name: row[name] for name in result.metrics} == result.metrics
        assert row["optimizer.lr"] == result.trial.params["optimizer.lr"]
        assert row["mlflow_run_id"] == str(result.trial.number)


def test_counts_cover_every_trial(study: Study) -> None:
    assert set(study.counts()) == set(State)
    assert sum(study.counts().values()) == 10


def test_without_a_best_trial_there_is_no_model(study: Study) -> None:
    with pytest.raises(RunError, match=f"the study {study.name} has no complete trial, so no trained model"):
        dataclasses.replace(study, best=None).best_model()


def test_a_tracker_without_mlflow_has_no_ids(study: Study) -> None:
    assert study.mlflow_experiment_id is None
    assert study.mlflow_run_id is None


def test_a_study_is_frozen(study: Study, tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        study.folder = tmp_path  # type: ignore[misc]
