"""`tunelab new plugin`: what it writes installs, keeps its laws and is listed; bad names and folders are refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunelab.cli.plugin_names import PluginNames
from tunelab.errors import PluginError
from tunelab.plugins import CONTRACTS

from .conftest import Tunelab

ROOT = Path(__file__).parents[2]
MADE = {kind: f"tunelab-mine-{kind}" for kind in CONTRACTS}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each kind, written, and installed in one folder `site`; offline, without dependencies."""
    folder = tmp_path_factory.mktemp("made")
    command = [str(Path(sys.executable).with_name("tunelab")), "new", "plugin"]
    for kind, name in MADE.items():
        done = subprocess.run([*command, name, "--kind", kind, "--folder", str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        steps = done.stdout.splitlines()
        assert steps[2:5] == [f"  cd {folder / name}", '  pip install -e ".[test]"', "  pytest"]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    homes = [str(folder / name) for name in MADE.values()]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, *homes]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def run(made: Path, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(made / "site"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("kind", CONTRACTS)
def test_its_own_tests_pass(made: Path, kind: str) -> None:
    done = run(made, "pytest", "-q", "-p", "no:cacheprovider", cwd=made / MADE[kind])
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"]], ids=" ".join)
def test_it_is_linted(made: Path, tool: list[str]) -> None:
    homes = list(MADE.values())
    relaxed = ["--extend-ignore", "D,I"] if tool == ["ruff", "check"] else []  # where imports sort depends on the name
    done = run(made, *tool, "--no-cache", "--config", str(ROOT / "pyproject.toml"), *relaxed, *homes, cwd=made)
    assert done.returncode == 0, done.stdout + done.stderr


UNSEEN = ",".join(f"{name}.*" for name in ("torch", "optuna", "sqlalchemy", "pandas", "matplotlib", "psycopg", "rich"))
"""What tunelab imports and no plugin sees: reading it takes mypy 14 s of 19."""


def test_it_is_typed(made: Path) -> None:
    sources = [f"{name}/src/{name.replace('-', '_')}/__init__.py" for name in MADE.values()]
    (made / "mypy.ini").write_text(f"[mypy]\n[mypy-{UNSEEN}]\nfollow_imports = skip\n")
    options = ["--strict", "--config-file=mypy.ini", "--cache-dir", str(made / "mypy"), "--follow-imports=silent"]
    done = run(made, "mypy", *options, *sources, cwd=made)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_listed(made: Path, tunelab: Tunelab) -> None:
    rows = json.loads(tunelab("plugins", "--json", PYTHONPATH=str(made / "site")).stdout)
    found = {(row["kind"], row["name"]): row for row in rows}
    for kind, name in MADE.items():
        row = found[kind, f"mine-{kind}"]
        assert (row["distribution"], row["version"], row["error"]) == (name, "0.1.0", None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bad name!", "was 'bad name!'; for example 'bad-name'"),
        ("2fast", "begin with a letter"),
        ("-x", "begin with a letter"),
        ("../up", "was '../up'; for example 'up'"),
        ("", "for example 'my-plugin'"),
        ("class", "cannot name a Python module and class"),
        ("json", "a Python module 'json' is there already"),
        ("numpy", "a Python module 'numpy' is there already"),
        ("tunelab", "a Python module 'tunelab' is there already"),
        ("adam", r"tunelab 0\.1\.0 brings the optimizer 'adam' already; choose another name, such as 'my-adam'"),
        ("tunelab-adam", "brings the optimizer 'adam' already"),
    ],
)
def test_a_name_that_pip_python_or_tunelab_cannot_take_is_refused(name: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        PluginNames.of(name, "optimizer")


def test_one_name_makes_all_of_them() -> None:
    names = PluginNames.of("Tunelab.Two_Step", "schedule")
    assert (names.distribution, names.plugin, names.module, names.title) == (
        "tunelab-two-step", "two-step", "tunelab_two_step", "TwoStep",
    )  # fmt: skip


def test_a_bad_name_is_an_input_error_and_writes_nothing(tunelab: Tunelab) -> None:
    done = tunelab("new", "plugin", "bad name!", "--kind", "optimizer")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the name of a plugin must be letters")
    assert list(Path().iterdir()) == []


def test_an_unknown_kind_is_refused_with_the_known_ones(tunelab: Tunelab) -> None:
    done = tunelab("new", "plugin", "mine", "--kind", "sampler")
    assert done.returncode == 2
    assert all(kind in done.stderr for kind in CONTRACTS)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_never_overwritten(tunelab: Tunelab, kind: str) -> None:
    path = Path("mine")
    if kind == "folder":
        path.mkdir()
        (path / "pyproject.toml").write_text("mine")
    else:
        path.write_text("mine")
    done = tunelab("new", "plugin", "mine", "--kind", "model")
    assert done.returncode == 2
    assert "mine is there already and stays as it is; give another name, or --folder" in done.stderr
    kept = path / "pyproject.toml" if kind == "folder" else path
    assert kept.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_an_input_error(tunelab: Tunelab) -> None:
    Path("file").touch()
    done = tunelab("new", "plugin", "mine", "--kind", "model", "--folder", "file/inside")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write ")
    assert done.stderr.rstrip().endswith("give another --folder")
