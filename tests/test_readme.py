"""Every command and every example of the README runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tunelab.tracking.mirror_state import MirrorState

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str, page: str = README) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S)
    return [text for spoken, text in fenced if spoken == language]


def examples() -> list[Any]:
    """Return the examples of the README and of the pages in `docs/`."""
    pages = {path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
    return [
        pytest.param(code, id=f"{path.stem}-{number}", marks=[pytest.mark.torch] if "torch" in code else [])
        for path, page in pages.items()
        for number, code in enumerate(blocks("python", page))
    ]


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that looks like a clone, without its environment."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    return tmp_path


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_names_these_commands_and_no_others() -> None:
    assert commands() == [
        "make demo",
        "make test",
        "pip install .",
        "tunelab run experiments/digits.py --trials 200",
        "tunelab ui",
        "tunelab new plugin my-rule --kind optimizer",
        "cd my-rule",
        'pip install -e ".[test]"',
        "pytest",
    ]


def test_make_demo_runs_a_study_and_a_second_one_runs_anew(home: Path) -> None:
    made = ["make", "demo", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed"]
    run(*made, "TRIALS=12", cwd=home)
    run(*made, "TRIALS=6", cwd=home)
    assert sorted(path.name for path in (home / "studies").iterdir()) == ["digits-1", "digits-2"]


def test_make_test_runs_the_linters_and_pytest_here_and_in_every_plugin(home: Path) -> None:
    for name in ("one", "two"):
        (home / "plugins" / name / "src").mkdir(parents=True)
        (home / "plugins" / name / "pyproject.toml").touch()
    said = run("make", "-n", "test", f"VENV={sys.prefix}", cwd=home)
    assert all(tool in said for tool in ("ruff check", "mypy", "mypy plugins/one/src plugins/two/src", "-m pytest"))
    assert "--editable plugins/one/ --editable plugins/two/" in said
    assert "for home in plugins/one/ plugins/two/; do" in said


def test_a_new_plugin_passes_its_tests_once_it_is_on_the_path(tmp_path: Path) -> None:
    """Installing it, and listing it, is tested in tests/cli/test_new_plugin.py."""
    new, into, *_ = (line.split() for line in commands() if line.startswith(("tunelab new", "cd ")))
    run(str(BIN / new[0]), *new[1:], cwd=tmp_path)
    here = tmp_path / into[1]
    run("env", f"PYTHONPATH={here / 'src'}", sys.executable, "-m", "pytest", "-q", cwd=here)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("\nmake test")


def test_the_run_command_does_what_it_says(home: Path) -> None:
    said = run(str(BIN / "tunelab"), *["run", "experiments/digits.py", "--trials", "200"], cwd=home)
    assert "200" in said
    assert (home / "studies/digits-1/best.safetensors").exists()
    assert (home / "mlflow.db").exists()
    page = (ROOT / "docs/reproduce.md").read_text()
    first, second = blocks("", page)[0].splitlines()
    assert second.startswith("tunelab reproduce RUN_ID --file ")
    runs = MirrorState.load(home / "studies/digits-1").runs
    said = run(str(BIN / "tunelab"), *first.replace("RUN_ID", runs[7]).split("  #")[0].split()[1:], cwd=home)
    assert said.startswith("trial 7 of digits-1 (complete): equal, bit for bit; ")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("code", examples())
def test_an_example_runs(code: str, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(code)
    run(sys.executable, "-W", "error", "example.py", cwd=tmp_path)
