"""Searching further where the last study ended at a bound."""

import shutil
from pathlib import Path

import pytest

from tunelab import Choice, Experiment, Float, Int, Study
from tunelab.errors import ExperimentError, StoreError
from tunelab.models import Quadratic
from tunelab.optimizers import SGD, Momentum
from tunelab.study.widen import widened

from .rig import bowl, search

LOW = Float(1e-6, 1e-5, log=True)
FIRST = bowl(optimizer=SGD.search(lr=LOW), schedule="step")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose learning rates are all far too small."""
    return search(FIRST, tmp_path_factory.mktemp("studies"), trials=12)


def test_a_range_grows_where_the_best_trial_sat_at_its_bound(first: Study) -> None:
    found = widened(FIRST, first.folder.parent, None)
    wide = Float(1e-6, 1e-4, log=True)
    assert found.after == "bowl-1"
    assert found.moved == {"optimizer.lr": (LOW, wide)}
    assert found.experiment == bowl(optimizer=SGD.search(lr=wide), schedule="step")


def test_a_range_that_grew_is_searched_whatever_the_trials(tmp_path: Path) -> None:
    """A plugin's own range that is widened is the person's from then on."""
    experiment = bowl(model=Quadratic(curvature=(1e-3,)), optimizer="momentum")
    study = search(experiment, tmp_path, trials=5, sampler="grid")
    assert study.held
    assert [at.name for at in study.at_bounds] == ["optimizer.lr"]
    again = search(experiment, tmp_path, trials=2, widen=True)
    assert experiment.optimizer.own == {"lr", "momentum"}
    assert again.experiment.optimizer == Momentum.search(lr=Float(1e-3, 10.0, log=True), momentum=0.9)
    assert Experiment.from_json((again.folder / "experiment.json").read_text()) == again.experiment


def test_widening_again_goes_on_from_there(tmp_path: Path) -> None:
    search(FIRST, tmp_path, trials=12)
    studies = [search(FIRST, tmp_path, trials=12, widen=True) for _ in range(3)]
    assert [study.experiment.optimizer.fields["lr"].high for study in studies] == [1e-4, 1e-3, 1e-2]


def test_what_grew_before_stays_wide_while_another_range_grows(tmp_path: Path) -> None:
    wide, narrow = Float(1e-3, 10.0, log=True), Float(1e-3, 0.1, log=True)
    grown = search(bowl(optimizer=SGD.search(lr=wide), epochs=Int(1, 2)), tmp_path, trials=30)
    assert [at.name for at in grown.at_bounds] == ["epochs"]
    moved = widened(bowl(optimizer=SGD.search(lr=narrow), epochs=Int(1, 2)), tmp_path, None).moved
    assert moved == {"optimizer.lr": (narrow, wide), "epochs": (Int(1, 2), Int(1, 3))}


def test_what_is_written_since_then_counts(first: Study) -> None:
    """Ranges on another axis, and fixed fields, are what the person says now."""
    folder = first.folder.parent
    wider_already = bowl(optimizer=SGD.search(lr=Float(1e-6, 1.0, log=True)))
    for now in (bowl(optimizer=SGD(lr=0.1)), bowl(optimizer=SGD.search(lr=Float(1e-6, 0.1))), wider_already):
        with pytest.raises(ExperimentError, match=r"bowl-1 sat at a bound of optimizer.lr, which this experiment does"):
            widened(now, folder, None)
    shifted = bowl(optimizer=SGD.search(lr=Float(1e-5, 5e-5, log=True)))
    assert widened(shifted, folder, None).moved["optimizer.lr"][1] == Float(1e-6, 1e-4, log=True)


def test_without_an_earlier_study_there_is_nothing_to_widen(tmp_path: Path) -> None:
    (tmp_path / "bowl-1").mkdir()  # somebody just began
    with pytest.raises(ExperimentError, match=r"no study of bowl with a complete trial is in .*; run without widening"):
        search(bowl(), tmp_path, widen=True)
    assert [path.name for path in tmp_path.iterdir()] == ["bowl-1"]


def test_without_a_bound_there_is_nothing_to_widen(tmp_path: Path) -> None:
    experiment = bowl(optimizer=SGD.search(lr=Choice(0.1, 0.2)), epochs=Int(3, 3))
    search(experiment, tmp_path, trials=6)
    with pytest.raises(ExperimentError, match="nothing to widen: the best trial of bowl-1 sits at no bound"):
        search(experiment, tmp_path, widen=True)


def test_a_study_in_a_storage_is_widened_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    search(FIRST, tmp_path, trials=6, storage=url)
    assert widened(FIRST, tmp_path, url).moved
    with pytest.raises(StoreError, match=r"bowl-1 holds no trials of its own; give the --storage"):
        widened(FIRST, tmp_path, None)
    assert not (tmp_path / "bowl-1" / "optuna.journal").exists()
    with pytest.raises(StoreError, match=r"sqlite:///.*other.db holds no study bowl-1; give the --storage"):
        widened(FIRST, tmp_path, f"sqlite:///{tmp_path}/other.db")


def test_the_newest_study_with_a_complete_trial_counts(first: Study, tmp_path: Path) -> None:
    shutil.copytree(first.folder, tmp_path / "bowl-1")
    (tmp_path / "bowl-2").mkdir()
    assert widened(FIRST, tmp_path, None).after == "bowl-1"
