"""`tunelab resume`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

FILE = """
from tunelab import Choice, Experiment
from tunelab.models import MLP
other = Experiment(name="other", data="wine", model=MLP(width=64, depth=2), optimizer="adam", epochs=400)
"""


RIGHTS = "-dac_override,-dac_read_search"
UNPRIVILEGED = ("setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}")
"""Makes root somebody who may not read and write what modes forbid."""


def tunelab(folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    code = "from tunelab.cli import main; main()"
    command = [*before, sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_it_finds_the_experiment_where_it_was_and_ends_the_study(tmp_path: Path, template: Path) -> None:
    (tmp_path / "two.py").write_text(FILE)
    code = "from tunelab.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "two.py:other", "--trials", "6", "--json"]
    command += ["--tracking-uri", "sqlite:///own.db"]
    shutil.copy(template, tmp_path / "own.db")
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    rounds = tmp_path / "studies" / "other-1" / "rounds.jsonl"
    while not rounds.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "tunelab resume other-1" in told
    busy = tunelab(tmp_path, "resume", "other-1", "--json")
    assert busy.returncode == 0, busy.stderr
    assert json.loads(busy.stdout.splitlines()[-1])["complete"] == 6
    assert not (tmp_path / "mlflow.db").exists(), "it goes on in the MLflow that shows it"
    runs = MlflowClient(f"sqlite:///{tmp_path}/own.db").search_runs(["1"])
    assert len(runs) == 7
    assert {run.info.status for run in runs} == {"FINISHED"}
    again = tunelab(tmp_path, "resume", "other-1")
    assert again.returncode == 2
    assert "error: other-1 has ended, so there is nothing to resume" in again.stderr


CSV = "a,b,y\n" + "".join(f"{row % 7},{row % 5},{row % 2}\n" for row in range(60))
OWN = """
from tunelab import Experiment
from tunelab.models import MLP
mine = Experiment(name="mine", data="mine.csv", model=MLP(width=4), optimizer="adam", batch_size=8, epochs=2)
other = Experiment(name="other", data="mine.csv", model=MLP(width=4), optimizer="sgd", batch_size=8, epochs=2)
"""


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    """Return a folder with a person's file, and a study of it that has not ended."""
    folder = tmp_path_factory.mktemp("unfinished")
    (folder / "mine.py").write_text(OWN)
    (folder / "mine.csv").write_text(CSV)
    shutil.copy(template, folder / "mlflow.db")
    done = tunelab(folder, "run", "mine.py:mine", "--trials", "2", "--json")
    assert done.returncode == 0, done.stderr
    file = folder / "studies" / "mine-1" / "study.json"
    file.write_text(file.read_text().replace('"finished": true', '"finished": false'))
    return folder


@pytest.fixture
def home(unfinished: Path, tmp_path: Path) -> Path:
    """Return the folder of such a study, which the test may change, in a copy that names its own file."""
    shutil.copytree(unfinished, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "studies" / "mine-1" / "study.json"
    file.write_text(file.read_text().replace(str(unfinished), str(tmp_path)))
    return file.parent


def test_a_study_that_is_not_there_is_told_with_those_that_are(home: Path, tmp_path: Path) -> None:
    wrong = tunelab(tmp_path, "resume", "mien-1")
    assert wrong.returncode == 2
    assert "mien-1 is no study's folder: it has no study.json; in studies: did you mean 'mine-1'?" in wrong.stderr
    inside = tunelab(tmp_path / "studies", "resume", "mine-1")
    assert inside.returncode == 2
    assert f"there are no studies in {tmp_path}/studies/studies: run where they are" in inside.stderr
    within = tunelab(tmp_path, "resume", "studies/mine-1/study.json")
    assert "studies/mine-1/study.json is no study's folder" in within.stderr


def test_a_file_that_was_moved_is_said_anew(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").rename(tmp_path / "moved.py")
    gone = tunelab(tmp_path, "resume", "mine-1")
    assert gone.returncode == 2
    assert "mine.py, which is gone; say where it is now: --file FILE[:NAME]" in " ".join(gone.stderr.split())
    found = tunelab(tmp_path, "resume", "mine-1", "--file", "moved.py:mine", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[-1])["complete"] == 2


def test_data_that_were_edited_are_refused_until_they_are_back(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV.replace("6,4,", "6,3,"))
    for again in (("resume", "mine-1"), ("run", "mine.py:mine", "--resume")):
        refused = tunelab(tmp_path, *again)
        assert refused.returncode == 2
        assert f"mine-1 was begun on other data than {tmp_path}/mine.csv holds now: its rows differ" in refused.stderr
    (tmp_path / "mine.csv").write_text(CSV)
    assert tunelab(tmp_path, "resume", "mine-1").returncode == 0


def test_another_experiment_of_the_file_is_refused(home: Path, tmp_path: Path) -> None:
    refused = tunelab(tmp_path, "run", "mine.py:other", "--resume", "mine-1")
    assert refused.returncode == 2
    assert "mine-1 is a study of mine, and other was given; give the one that it began with" in refused.stderr


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("study.json", lambda text: text[:50], "study.json is damaged (Unterminated string"),
        (
            "study.json",
            lambda text: text.replace('"trials": 2', '"trials": "2"'),
            "trials is '2' (Input should be",
        ),
        ("study.json", lambda text: text.replace('"seed"', '"sead"'), "unexpected keyword argument 'sead'"),
        ("experiment.json", lambda text: text[:50], "experiment.json is gone or damaged"),
        ("experiment.json", None, "experiment.json is gone or damaged"),
    ],
)
def test_what_is_damaged_is_named(
    file: str, change: Callable[[str], str] | None, says: str, home: Path, tmp_path: Path
) -> None:
    whole = (home / file).read_text()
    if change is None:
        (home / file).unlink()
    else:
        (home / file).write_text(change(whole))
    refused = tunelab(tmp_path, "resume", "mine-1")
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "run the study anew" in refused.stderr


@pytest.mark.parametrize(
    ("file", "mode", "says"),
    [
        ("study.json", 0o000, "mine-1/study.json cannot be read: Permission denied; go on as who ran the study"),
        ("study.lock", 0o444, "nothing can be written in studies/mine-1: Permission denied; go on as who"),
        (".", 0o555, "nothing can be written in studies/mine-1: Permission denied; go on as who"),
    ],
)
def test_a_study_of_somebody_elses_is_left_alone(file: str, mode: int, says: str, home: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv")
    before = (home / file).stat().st_mode
    (home / file).chmod(mode)
    refused = tunelab(tmp_path, "resume", "mine-1", before=UNPRIVILEGED if os.geteuid() == 0 else ())
    (home / file).chmod(before)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert (home / "optuna.journal").exists()
