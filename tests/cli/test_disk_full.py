"""A disk that is full while a study runs: a clear word, files that can be read, and it goes on when there is room."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

FILE = """
from tunelab import Choice, Experiment
from tunelab.models import MLP
full = Experiment(name="full", data="wine", model=MLP(width=8), optimizer=Choice("adam", "sgd"), epochs=20)
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 500 kB."""
    place = tmp_path / "small"
    place.mkdir()
    if not _mount(place, "size=500k"):
        pytest.skip("a file system can be mounted by root alone")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _mount(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return os.getuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def tunelab(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    store = f"sqlite:///{folder.parent}/mlflow.db"
    command = [sys.executable, "-c", "from tunelab.cli import main; main()", *arguments, "--tracking-uri", store]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)


def trials(home: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(home / "optuna.journal")))
    return optuna.load_study(study_name=home.name, storage=storage).trials


@pytest.mark.usefixtures("store")
def test_a_study_whose_disk_was_full_goes_on_when_there_is_room(small: Path) -> None:
    (small / "full.py").write_text(FILE)
    ran = tunelab(small, "run", "full.py", "--trials", "150")
    assert ran.returncode == 1
    assert "error: no space is left on the disk" in ran.stderr
    assert "to go on: tunelab resume full-1" in ran.stderr
    assert "Traceback" not in ran.stderr
    before = trials(small / "studies/full-1")
    assert 5 < len(before) < 150
    subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
    ran = tunelab(small, "resume", "full-1", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["complete"] == 150
    after = trials(small / "studies/full-1")
    done = [trial for trial in before if trial.state.is_finished() and trial.value is not None]
    assert [after[trial.number].value for trial in done] == [trial.value for trial in done]
