"""Samplers: the same seed gives the same study, trial by trial; and a grid is a grid."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from tunelab import Choice, Int
from tunelab.errors import ExperimentError
from tunelab.optimizers import SGD, Momentum
from tunelab.study import samplers
from tunelab.study.samplers import BY_NAME, sampler_of
from tunelab.study.suggest import defaults, grid

from .rig import bowl, flat_bowl, search, story

TRIALS = {"tpe": 40, "random": 20, "qmc": 20, "cmaes": 30, "gp": 16, "nsgaii": 70, "grid": 99}
NAMES = [pytest.param(name, marks=pytest.mark.torch) if name == "gp" else name for name in TRIALS]


def test_every_sampler_is_tested() -> None:
    assert set(TRIALS) == set(BY_NAME)


@pytest.mark.parametrize("sampler", NAMES)
def test_the_same_seed_gives_the_same_study_and_another_another(sampler: str, tmp_path: Path) -> None:
    experiment, trials = flat_bowl(), TRIALS[sampler]
    one = search(experiment, tmp_path / "a", sampler=sampler, trials=trials, seed=5)
    same = search(experiment, tmp_path / "b", sampler=sampler, trials=trials, seed=5)
    other = search(experiment, tmp_path / "c", sampler=sampler, trials=trials, seed=6)
    assert story(one) == story(same)
    assert [trial.params for trial in one.optuna.trials] == [trial.params for trial in same.optuna.trials]
    if sampler == "grid":
        assert [result.trial.params for result in one.trials] == [result.trial.params for result in other.trials]
    else:
        both = list(zip(one.optuna.trials, other.optuna.trials, strict=True))[1:]
        assert all(trial.params != another.params for trial, another in both)
        assert len(one.trials) == trials


@pytest.mark.parametrize("sampler", sorted(set(BY_NAME) - {"gp", "grid"}))
def test_every_sampler_takes_conditions(sampler: str, tmp_path: Path) -> None:
    one = search(bowl(), tmp_path / "a", sampler=sampler, trials=TRIALS[sampler], population=4)
    same = search(bowl(), tmp_path / "b", sampler=sampler, trials=TRIALS[sampler], population=4)
    assert story(one) == story(same)
    assert {result.trial.params["optimizer"] for result in one.trials} == {"sgd", "momentum", "adam"}


@pytest.mark.parametrize("sampler", NAMES)
def test_the_defaults_go_first_and_no_study_ends_below_them(sampler: str, tmp_path: Path) -> None:
    study = search(bowl(), tmp_path, sampler=sampler, trials=12)
    first = [trial.params for trial in study.optuna.trials]
    if sampler == "grid":
        assert first == list(grid(study.experiment))[:12]
        return
    assert first[:3] == defaults(study.experiment)
    assert study.best is not None
    assert all(study.best.value <= result.value for result in study.trials[:3])


def test_a_grid_is_covered_exactly(tmp_path: Path) -> None:
    experiment = bowl(
        optimizer=Choice(SGD.search(lr=Choice(0.1, 0.2)), Momentum.search(lr=0.1, momentum=Choice(0.5, 0.9))),
        epochs=Int(1, 3),
    )
    study = search(experiment, tmp_path, sampler="grid", trials=99)
    tried = [trial.params for trial in study.optuna.trials]
    assert tried == list(grid(experiment))
    assert len(study.trials) == len(tried) == 12
    assert study.progress.total == 12
    some = search(experiment, tmp_path, sampler="grid", trials=5)
    assert [trial.params for trial in some.optuna.trials] == tried[:5]
    timed = search(experiment, tmp_path, sampler="grid", trials=None, timeout=60)
    assert len(timed.trials) == 12


def test_a_sampler_of_optunas_own_may_be_given(tmp_path: Path) -> None:
    given = optuna.samplers.TPESampler(seed=3, n_startup_trials=2)
    assert sampler_of(given, 0) is given
    one = search(bowl(), tmp_path / "a", sampler=given)
    same = search(bowl(), tmp_path / "b", sampler=optuna.samplers.TPESampler(seed=3, n_startup_trials=2))
    assert story(one) == story(same)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("tp", r"no sampler named 'tp'; did you mean 'tpe' or 'gp'\? Known: cmaes, gp, grid, nsgaii, qmc, random, tpe"),
        ("", "no sampler named ''"),
        (None, r"a sampler is a name or an Optuna sampler \(an instance, not a class\), was None"),
        (optuna.samplers.TPESampler, r"an instance, not a class\), was <class .*TPESampler'>"),
        (optuna.pruners.NopPruner(), "a sampler is a name or an Optuna sampler"),
    ],
)
def test_what_is_no_sampler_is_refused(given: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=says):
        search(bowl(), tmp_path / "studies", sampler=given)
    assert not (tmp_path / "studies").exists()


def test_a_sampler_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match=r"'gp' needs torch and scipy; pip install 'tunelab\[samplers\]'"):
        sampler_of("gp", 0)
    assert sampler_of("tpe", 0)
