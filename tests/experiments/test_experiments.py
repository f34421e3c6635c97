"""Every file of `experiments/` runs from top to bottom, and defines one experiment for `tunelab run`."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunelab import Experiment, Study
from tunelab.cli.load_experiment import load_experiment
from tunelab.loop import Loop
from tunelab.tracking.memory import MemoryTracker

FOLDER = Path(__file__).parents[2] / "experiments"
LOOPS = sorted(FOLDER.glob("loop_*.py"))
FILES = sorted(set(FOLDER.glob("*.py")) - set(LOOPS))


NEEDS = {
    "digits_torch": ("torch",),
    "cnn_digits": ("torch",),
    "shakespeare": ("torch", "tunelab_data"),
    "loop_pytorch": ("torch",),
}
"""What a file asks for beside tunelab."""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for file in FILES + LOOPS:
        if file.stem not in modules:
            sys.modules.pop(file.stem, None)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tunelab_run_finds_one_experiment(file: Path) -> None:
    for package in NEEDS.get(file.stem, ()):
        pytest.importorskip(package)
    experiment, path = load_experiment(str(file))
    assert path == file
    assert experiment.name == file.stem.replace("_", "-")
    if isinstance(experiment, Experiment) and file.stem in NEEDS:
        experiment = Experiment(**dict(experiment) | {"epochs": 1})  # PyTorch's take longer
    study = experiment.run(trials=2, executor="inline", tracker=MemoryTracker())
    assert [str(result.state) for result in study.trials] == ["complete"] * 2


@pytest.mark.parametrize("file", [file for file in FILES if file.stem.startswith("which")], ids=lambda file: file.stem)
def test_a_question_is_answered(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own number of trials, but for one epoch each, so the numbers say nothing."""
    run = Experiment.run

    def run_briefly(experiment: Experiment, **settings: Any) -> Study:
        brief = Experiment(**dict(experiment) | {"epochs": 1})
        return run(brief, **settings, executor="inline", tracker=MemoryTracker())

    monkeypatch.setattr(Experiment, "run", run_briefly)
    runpy.run_path(str(file), run_name="__main__")
    told = capsys.readouterr().out
    assert "val_loss" in told.splitlines()[0]
    assert "nan" not in told.lower()
    for label in {"which_optimizer": ["sgd", "adam"], "which_schedule": ["constant", "cosine"]}.get(file.stem, []):
        assert f"\n{label} " in told


def test_the_quadratics_curve_is_its_formula() -> None:
    """theta_0^2 * 0.98^(2k) after k steps, every 100 of 1000, to 1e-12."""
    experiment, _ = load_experiment(str(FOLDER / "quadratic.py"))
    study = experiment.run(trials=1, executor="inline", tracker=MemoryTracker())
    curve = study.trials[0].curves["loss"]
    start = experiment.model.start[0]
    assert curve.epochs == tuple(range(1, 11))
    assert curve.values == pytest.approx(
        [start**2 * 0.98 ** (2 * 100 * epoch) for epoch in curve.epochs], rel=1e-12, abs=0
    )


def test_the_quadratic_prints_both(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = Experiment.run
    monkeypatch.setattr(
        Experiment, "run", lambda self, **settings: run(self, **settings, executor="inline", tracker=MemoryTracker())
    )
    runpy.run_path(str(FOLDER / "quadratic.py"), run_name="__main__")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[0] for line in lines] == [str(100 * k) for k in range(1, 11)]
    assert all(loss == formula for _, loss, formula in lines)


COMMAND = Path(sys.executable).with_name("tunelab")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("file", LOOPS, ids=lambda file: file.stem)
def test_a_loop_runs_where_its_framework_is_installed(file: Path) -> None:
    """In processes of its own: what a framework warns of, and prints, is its own affair."""
    command = [COMMAND, "run", file, "--trials", "2", "--pruner", "median", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "ModuleNotFoundError" in done.stderr:
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: {file}, line ")
        pytest.skip(line.rpartition(", line ")[2])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["study"], found["complete"]) == (f"{file.stem.replace('_', '-')}-1", 2), done.stderr


NEEDED = {"sklearn": "sklearn", "pytorch": "torch", "lightning": "lightning", "hugging_face": "accelerate"}
MISSING = 'raise ModuleNotFoundError("No module named {name}", name="{name}")'


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, marks=() if file.stem == "loop_sklearn" else pytest.mark.torch, id=file.stem)
        for file in LOOPS
    ],
)
def test_a_loop_whose_framework_is_missing_says_in_one_line_what_to_install(file: Path, tmp_path: Path) -> None:
    name = NEEDED[file.stem.removeprefix("loop_")]
    (tmp_path / f"{name}.py").write_text(MISSING.format(name=name))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([COMMAND, "run", file], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"No module named {name}; install the package that brings it, as a rule: pip install {name}")


@pytest.mark.torch
def test_the_loop_of_pytorch_gives_its_best_weights_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Loop.run
    brief = {"trials": 3, "executor": "inline", "tracker": MemoryTracker()}
    monkeypatch.setattr(Loop, "run", lambda self, **settings: run(self, **(settings | brief)))
    runpy.run_path(str(FOLDER / "loop_pytorch.py"), run_name="__main__")
    last = capsys.readouterr().out.splitlines()[-1].removeprefix("val_loss ")
    reported, again = last.split("; again, from its weights: ")
    assert reported == again
