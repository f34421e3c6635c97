"""Every script of the benchmarks does its work; what it takes is measured elsewhere."""

import json
import math
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def found(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(output.strip().rpartition("\n")[2])


def logged(folder: Path) -> dict[str, int]:
    """Return how many runs, and points of each metric, MLflow holds."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        points = dict(store.execute("SELECT key, COUNT(*) FROM metrics GROUP BY key"))
        (runs,) = store.execute("SELECT COUNT(*) FROM runs").fetchone()
    return points | {"runs": runs}


@pytest.mark.parametrize("style", ["dataloader", "lean"])
def test_a_hand_written_loop_trains_and_logs_every_epoch(folder: Path, style: str) -> None:
    result = found(started(folder, "benchmarks.handwritten", "--style", style, "--trials", "2", "--epochs", "2"))
    assert result["trials"] == 2
    assert 0 < result["best_value"] <= 1
    assert logged(folder) == {"train_loss": 4, "val_loss": 4, "val_accuracy": 4, "runs": 3}


def test_two_lean_loops_share_one_study(folder: Path) -> None:
    command = ["benchmarks.handwritten", "--trials", "2", "--epochs", "2", "--journal", "optuna.journal"]
    workers = [started(folder, *command, "--worker", f"{worker}/2") for worker in range(2)]
    assert sum(found(worker)["trials"] for worker in workers) >= 2
    assert logged(folder)["runs"] >= 3


@pytest.mark.parametrize("experiment", ["digits", "module", "coarse", "structure", "tiny"])
def test_an_experiment_runs_and_its_engine_is_watched(folder: Path, experiment: str) -> None:
    result = found(
        started(folder, "benchmarks.study", experiment, "--trials", "2", "--tracker", "memory", "--engine-cost")
    )
    assert result["trials"] == 2
    assert math.isfinite(result["best_value"])
    ended, wall, cpu, resident = result["rounds"][-1]
    assert ended == 2
    assert wall > 0
    assert cpu > 0
    assert resident > 10


@pytest.mark.parametrize("work", ["cnn", "large"])
def test_steps_of_a_module_are_timed_on_every_side(folder: Path, work: str) -> None:
    command = ["benchmarks.steps", work, "--members", "2" if work == "cnn" else "1", "--rows", "64"]
    result = found(started(folder, *command, "--epochs", "1"))
    assert set(result) == {"tunelab", "torch", "torch_fused"}
    assert all(value > 0 for values in result.values() for value in values)
    assert found(started(folder, *command, "--memory", "torch"))["peak_mb"] > 0


def test_both_adams_take_steps(folder: Path) -> None:
    result = found(started(folder, "benchmarks.adam", "--members", "2", "--size", "100", "--steps", "3"))
    assert set(result) == {"tunelab", "torch_kernel", "torch_optimizer"}
