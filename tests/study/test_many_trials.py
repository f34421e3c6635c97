"""A study of very many trials: MLflow and Optuna agree on every one, and the engine does not grow with them."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from .rig import held

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("trials", [400, pytest.param(10_000, marks=pytest.mark.soak)])
def test_optuna_and_mlflow_agree_on_every_trial_and_memory_hardly_grows(trials: int, tmp_path: Path) -> None:
    rounds = searched(trials, tmp_path)
    kept = held(tmp_path / "studies" / "tiny-1", "tiny-1")
    assert [trial.number for trial in kept] == list(range(trials))
    shown = {int(run.data.tags["tunelab.trial"]): run for run in runs(tmp_path)}
    assert shown.keys() == {trial.number for trial in kept}
    points = points_of_loss(tmp_path)
    for trial in kept:
        run = shown[trial.number]
        assert (run.info.status, run.data.tags["tunelab.state"]) == {
            "COMPLETE": ("FINISHED", "complete"),
            "FAIL": ("FAILED", trial.user_attrs.get("state")),
        }[trial.state.name]
        assert run.data.metrics.get("objective") == trial.value
        if trial.value is not None:
            assert points[run.info.run_id] == (20, trial.value)
    early = next(megabytes for ended, _, _, megabytes in rounds if ended >= 100)
    assert rounds[-1][3] - early < 200


def searched(trials: int, folder: Path) -> list[tuple[int, float, float, float]]:
    """Run the study in a process of its own; return trials ended and memory, round by round, as the benchmarks do."""
    command = [sys.executable, "-m", "benchmarks.study", "tiny", "--sampler", "random", "--engine-cost"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    ran = subprocess.run(
        [*command, "--trials", str(trials)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.strip().rpartition("\n")[2])
    assert found["trials"] == trials
    return [tuple(each) for each in found["rounds"]]


def runs(folder: Path) -> Iterator[Run]:
    """Yield MLflow's runs of trials."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    token: str | None = None
    while True:
        page = client.search_runs([experiment.experiment_id], "tags.`tunelab.trial` != ''", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def points_of_loss(folder: Path) -> dict[str, tuple[int, float]]:
    """Return, for each run, how many points of its loss MLflow holds, and the last."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        rows = store.execute("SELECT run_uuid, step, value FROM metrics WHERE key = 'loss' ORDER BY step")
        found: dict[str, list[float]] = {}
        for run, _, value in rows:
            found.setdefault(run, []).append(value)
    return {run: (len(values), values[-1]) for run, values in found.items()}
