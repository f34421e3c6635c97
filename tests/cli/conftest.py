import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("tunelab")

Tunelab = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment() -> dict[str, str]:
    """No MLflow of the person who runs the tests, and a terminal of a known width."""
    hidden = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"COLUMNS": "200"}


@pytest.fixture
def environment() -> dict[str, str]:
    return clean_environment()


@pytest.fixture(scope="session")
def tunelab() -> Tunelab:
    """The installed command, in a process of its own; in the test's own folder, if no other is given."""

    def run(*arguments: str, cwd: Path | None = None, **extra: str) -> "subprocess.CompletedProcess[str]":
        command, environment = [str(COMMAND), *arguments], clean_environment() | extra
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, env=environment)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an experiment file, given its last lines."""

    def write(text: str, name: str = "mine.py") -> Path:
        file = tmp_path / name
        file.write_text(HEADER + text)
        return file

    return write


HEADER = """from tunelab import Choice, Experiment, Float, Int
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam

"""
"""Four lines, so that an experiment begins in the fifth."""
