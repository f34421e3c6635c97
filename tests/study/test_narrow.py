"""The number of trials decides what is searched, unless somebody said otherwise."""

from pathlib import Path

import pytest

from tunelab import Choice, Experiment, Float
from tunelab.errors import ExperimentError
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import SGD, Adam
from tunelab.schedules import Linear, Step, Then
from tunelab.study.narrow import Held, held, narrowed
from tunelab.study.suggest import searched

from .rig import Ordered, bowl, search, wine


@pytest.mark.parametrize(
    ("trials", "names"),
    [
        (1, ["lr"]),
        (9, ["lr"]),
        (10, ["lr", "beta1"]),
        (24, ["lr", "beta1"]),
        (25, ["lr", "beta1", "eps"]),
        (99, ["lr", "beta1", "eps"]),
        (100, ["lr", "beta1", "beta2", "eps"]),
        (None, ["lr", "beta1", "beta2", "eps"]),
    ],
)
def test_more_trials_search_more(trials: int | None, names: list[str]) -> None:
    found = narrowed(bowl(optimizer="adam"), trials)
    assert searched(found) == tuple(f"optimizer.{name}" for name in names)


def test_what_is_not_searched_is_fixed_at_its_default_in_the_record() -> None:
    found = narrowed(bowl(optimizer=Choice("adam", "sgd")), 5)
    adam = Adam.search(beta1=0.9, beta2=0.999, eps=1e-8)
    assert found.optimizer == Choice(adam, SGD.search())
    assert Experiment.from_json(found.to_json()) == found
    assert found.hash == bowl(optimizer=Choice(adam, SGD.search())).hash
    assert narrowed(found, 5) == found


def test_what_somebody_asked_for_is_searched() -> None:
    asked = Adam.search(eps=Float(1e-8, 1e-4, log=True), beta2=Choice(0.9, 0.99))
    experiment = wine(optimizer=asked, batch_size=Choice(16, 32), weight_decay=Float(0, 0.1))
    names = ("optimizer.lr", "optimizer.beta2", "optimizer.eps", "batch_size", "weight_decay")
    assert searched(narrowed(experiment, 1)) == names


def test_all_may_be_asked_for() -> None:
    assert narrowed(bowl(optimizer="adam"), 1, "all") == bowl(optimizer="adam")
    with pytest.raises(ExperimentError, match="search must be 'auto' or 'all', was 'some'"):
        narrowed(bowl(), 1, "some")  # type: ignore[arg-type]


def test_a_plugin_inside_a_plugin_is_narrowed_too() -> None:
    inner = Then.search(first=Choice(Linear(), Step.search(gamma=Float(0.1, 0.2))), second=Step.search())
    found = narrowed(bowl(schedule=inner), 5).schedule
    first = Choice(Linear(), Step.search(gamma=Float(0.1, 0.2), every=1 / 3))
    assert found == Then.search(first=first, second=Step(gamma=0.3, every=1 / 3), at=0.5)


def test_something_is_always_searched() -> None:
    """Else all trials of a study of widths alone would be alike."""
    assert searched(narrowed(wine(model="mlp", optimizer=SGD(), batch_size=16), 3)) == ("model.width", "model.depth")
    assert searched(narrowed(bowl(optimizer=SGD(), schedule="step"), 3)) == ("schedule.gamma", "schedule.every")
    assert searched(narrowed(bowl(optimizer=SGD()), 3)) == ()


def test_a_plugin_that_says_nothing_of_trials_is_searched_in_full() -> None:
    assert narrowed(bowl(optimizer=Ordered), 1) == bowl(optimizer=Ordered)


def test_what_is_held_is_told_with_its_value_and_the_trials_it_takes() -> None:
    experiment = wine(model="mlp", optimizer=Choice("adam", "sgd"))
    assert held(experiment, narrowed(experiment, 9)) == (
        Held("model.width", "model.width", 64, 10),
        Held("model.depth", "model.depth", 1, 10),
        Held("optimizer.beta1", "optimizer.adam.beta1", 0.9, 10),
        Held("optimizer.beta2", "optimizer.adam.beta2", 0.999, 100),
        Held("optimizer.eps", "optimizer.adam.eps", 1e-8, 25),
    )
    assert held(experiment, narrowed(experiment, 100)) == ()


# ---- in a study


def test_a_study_searches_and_holds_what_its_record_says(tmp_path: Path) -> None:
    study = search(wine(model="mlp", optimizer="adam", batch_size=16), tmp_path, trials=4)
    assert [set(trial.params) for trial in study.optuna.trials] == [{"optimizer.lr"}] * 4
    assert {
        (result.trial.params["optimizer.beta1"], result.trial.params["model.width"]) for result in study.trials
    } == {(0.9, 64)}
    assert Experiment.from_json((study.folder / "experiment.json").read_text()) == study.experiment
    assert study.optuna.user_attrs["tunelab.experiment_hash"] == study.experiment.hash
    assert study.experiment.model == MLP(width=64, depth=1)
    assert [each.path for each in study.held] == [
        "model.width", "model.depth", "optimizer.beta1", "optimizer.beta2", "optimizer.eps",
    ]  # fmt: skip


def test_a_study_searches_all_when_told_to(tmp_path: Path) -> None:
    study = search(bowl(optimizer="adam"), tmp_path, trials=4, search="all")
    assert study.held == ()
    assert all(len(trial.params) == 4 for trial in study.optuna.trials)


def test_a_grid_is_laid_over_what_is_searched(tmp_path: Path) -> None:
    experiment = bowl(model=Quadratic(), optimizer="adam")
    few = search(experiment, tmp_path, trials=9, sampler="grid")
    assert len(few.trials) == 5
    timed = search(experiment, tmp_path, trials=None, timeout=0.1, sampler="grid")
    assert timed.progress.total == 5**4
