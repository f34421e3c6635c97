"""Every file of `experiments/` runs from top to bottom, and defines one experiment for `tunelab run`."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunelab import Experiment, Study
from tunelab.cli.load_experiment import load_experiment
from tunelab.tracking.memory import MemoryTracker

FOLDER = Path(__file__).parents[2] / "experiments"
FILES = sorted(FOLDER.glob("*.py"))


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
    for file in FILES:
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
