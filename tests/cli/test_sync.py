"""`tunelab sync`, and what a run says whose MLflow server went away."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from leaving_server import leaving_server

from tunelab.study.folder import held
from tunelab.study.study_file import StudyFile
from tunelab.tracking.mirror_state import MirrorState, Stage

from .conftest import COMMAND, Tunelab


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_who_does_not_wait_for_mlflow_has_the_study_and_sends_it_later(
    write: Callable[..., Path], tunelab: Tunelab, environment: dict[str, str], tmp_path: Path
) -> None:
    write('experiment = Experiment(name="wine", data="wine", model=MLP(width=8), optimizer="adam", epochs=2)')
    uri = leaving_server()
    command = [str(COMMAND), "run", "mine.py", "--trials", "3", "--json", "--tracking-uri", uri]
    process = subprocess.Popen(command, text=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = ""
    while "waiting for MLflow: 0 of 3 trials shown" not in said:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(out)["complete"] == 3
    assert f"note: MLflow at {uri} does not show all of it yet (it was not waited for): " in rest
    assert f"when it answers: tunelab sync studies/wine-1 --tracking-uri {uri}" in rest
    home = tmp_path / "studies" / "wine-1"
    assert StudyFile.load(home).finished
    os.kill(MirrorState.load(home).writer, signal.SIGKILL)  # it would try for another minute
    (tmp_path / "studies" / "empty-1").mkdir()
    (tmp_path / "studies" / "empty-1" / "spool.jsonl").touch()
    running = tunelab("sync", "--tracking-uri", "sqlite:///own.db")
    assert running.stdout == "wine-1: MLflow shows all of it; 1 study described, 3 trials written\n"
    assert f"wine-1: comparing with sqlite:///{tmp_path}/own.db ..." in running.stderr
    assert MirrorState.load(home).stage is Stage.FINISHED
    assert tunelab("sync").stdout == "MLflow shows all that the studies in studies hold; there is nothing to send.\n"
    again = tunelab("sync", "wine-1")
    assert again.stdout == "wine-1: MLflow shows all of it; nothing was missing\n"
    assert f"comparing with sqlite:///{tmp_path}/own.db ..." in again.stderr, "where it is shown, and nowhere else"
    assert not (tmp_path / "mlflow.db").exists()


def test_a_study_that_runs_sends_by_itself(tunelab: Tunelab, tmp_path: Path) -> None:
    home = tmp_path / "studies" / "wine-1"
    home.mkdir(parents=True)
    (home / "spool.jsonl").write_text("{}\n")
    with held(home):
        wanted, every = tunelab("sync", "wine-1"), tunelab("sync")
    assert (wanted.returncode, every.returncode) == (2, 0)
    assert "wine-1 is running; wait until it has ended, or stop it" in wanted.stderr
    assert "wine-1 is running; wait until it has ended, or stop it; it sends by itself" in every.stderr


def test_a_study_that_is_not_there_is_told_with_those_that_are(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "studies" / "wine-1").mkdir(parents=True)
    (tmp_path / "studies" / "wine-1" / "spool.jsonl").touch()
    wrong = tunelab("sync", "wnie-1")
    assert wrong.returncode == 2
    told = "wnie-1 is no study that MLflow was to show: it has no spool.jsonl; in studies: did you mean 'wine-1'?"
    assert told in wrong.stderr


def test_a_store_that_does_not_open_is_told(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "studies" / "wine-1").mkdir(parents=True)
    (tmp_path / "studies" / "wine-1" / "spool.jsonl").write_text("no spool\n")
    failed = tunelab("sync")
    assert failed.returncode == 1
    assert "MLflow does not show all of wine-1" in " ".join(failed.stderr.split())
