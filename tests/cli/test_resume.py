"""`tunelab resume`."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

FILE = """
from tunelab import Choice, Experiment
from tunelab.models import MLP
one = Experiment(name="one", data="wine", model=MLP(width=8), optimizer="adam", epochs=4)
other = Experiment(name="other", data="wine", model=MLP(width=64, depth=2), optimizer="adam", epochs=400)
"""


def tunelab(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "from tunelab.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_it_finds_the_experiment_where_it_was_and_ends_the_study(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(FILE)
    code = "from tunelab.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "two.py:other", "--trials", "6", "--json"]
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
    again = tunelab(tmp_path, "resume", "other-1")
    assert again.returncode == 2
    assert "error: other-1 has ended, so there is nothing to resume" in again.stderr


def test_a_study_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(FILE)
    assert tunelab(tmp_path, "run", "two.py:one", "--trials", "2", "--json").returncode == 0
    wrong = tunelab(tmp_path, "resume", "oen-1")
    assert wrong.returncode == 2
    assert "oen-1 is no study's folder: it has no study.json; in studies are one-1" in wrong.stderr.replace("\n", " ")


def test_a_file_that_was_moved_is_said_anew(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(FILE)
    assert tunelab(tmp_path, "run", "two.py:one", "--trials", "4", "--json").returncode == 0
    home = tmp_path / "studies" / "one-1"
    (home / "study.json").write_text((home / "study.json").read_text().replace('"finished": true', '"finished": false'))
    (tmp_path / "two.py").rename(tmp_path / "moved.py")
    gone = tunelab(tmp_path, "resume", "one-1")
    assert gone.returncode == 2
    assert "two.py, which is gone; say where it is now: --file FILE[:NAME]" in " ".join(gone.stderr.split())
    found = tunelab(tmp_path, "resume", "one-1", "--file", "moved.py:one", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout.splitlines()[-1])["complete"] == 4
