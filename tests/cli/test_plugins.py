"""`tunelab plugins`: all of them, quickly, a broken one beside the others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tunelab.plugins import CONTRACTS, listings

from .conftest import Tunelab


def test_every_plugin_is_listed_with_defaults_and_ranges(tunelab: Tunelab) -> None:
    done = tunelab("plugins", "--json")
    assert done.returncode == 0
    found = {(row["kind"], row["name"]): row for row in json.loads(done.stdout)}
    assert set(found) >= {(kind, name) for kind in CONTRACTS for name in listings(kind)}
    adam = found["optimizer", "adam"]
    assert (adam["distribution"], adam["error"]) == ("tunelab", None)
    assert adam["hyperparameters"]["lr"] == {
        "default": "0.001",
        "range": {"float": {"low": 0.0001, "high": 0.03, "log": True, "complement_log": False}},
        "from_trials": 1,
    }
    assert adam["hyperparameters"]["beta2"]["from_trials"] == 100
    path = found["dataset", "file"]["hyperparameters"]["path"]
    assert path == {"default": "required", "range": None, "from_trials": 1}


def test_the_table_is_for_people(tunelab: Tunelab) -> None:
    told = tunelab("plugins").stdout
    assert "lr = 0.001 in [0.0001, 0.03] log" in told
    assert "beta1 = 0.9 in [0.5, 0.98] log(1 - x), from 10 trials on" in told
    assert "width = 64 one of 32, 64, 128, from 10 trials on" in told


@pytest.fixture
def third_party(tmp_path: Path) -> Path:
    """An installed distribution with a broken plugin, a good one, and one whose name is taken."""
    (tmp_path / "thirdparty.py").write_text(
        "from tunelab.optimizers import SGD\nclass Fine(SGD):\n    'Fine.'\nclass Wrong:\n    'No optimizer.'\n"
    )
    info = tmp_path / "thirdparty-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(
        "[tunelab.optimizers]\nfine = thirdparty:Fine\nadam = thirdparty:Fine\n"
        "wrong = thirdparty:Wrong\ngone = nowhere_to_be_found:Gone\n"
    )
    return tmp_path


def test_a_broken_plugin_says_why_and_hides_no_other(tunelab: Tunelab, third_party: Path) -> None:
    done = tunelab("plugins", "--json", PYTHONPATH=str(third_party))
    assert done.returncode == 0
    rows = [row for row in json.loads(done.stdout) if row["kind"] == "optimizer"]
    errors = {(row["name"], row["distribution"]): row["error"] for row in rows}
    assert errors["fine", "thirdparty"] is None
    assert errors["sgd", "tunelab"] is None
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in errors["gone", "thirdparty"]
    assert "must be a subclass of tunelab.contracts.Optimizer" in errors["wrong", "thirdparty"]
    for claim in ("tunelab", "thirdparty"):
        assert "two distributions bring the optimizer 'adam'" in errors["adam", claim]
    table = tunelab("plugins", PYTHONPATH=str(third_party)).stdout
    assert "nowhere_to_be_found" in table
    assert "thirdparty 2.1" in table


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tunelab.cli.commands import app\napp(['plugins'], standalone_mode=False)\n"
        "print('heavy:', *({'mlflow', 'optuna', 'torch', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nheavy:\n")


def test_help_and_version_import_neither_numpy_nor_pydantic() -> None:
    code = "import sys\nimport tunelab.cli.commands\nprint(*({'numpy', 'optuna', 'rich.console'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "\n"


def test_version_and_help(tunelab: Tunelab) -> None:
    assert tunelab("--version").stdout == "tunelab 0.1.0\n"
    assert {"run", "ui", "plugins"} <= set(tunelab("--help").stdout.split())
    assert "--tracking-uri" in tunelab("run", "--help").stdout
