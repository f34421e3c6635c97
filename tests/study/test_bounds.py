"""The best trial at the end of a range."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import create_trial

from tunelab import Choice, Experiment, Float, Int
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.study.bounds import ENOUGH, AtBound, at_bounds, best_of
from tunelab.study.suggest import FixedSuggest

from .rig import bowl, search, wine


def study_of(experiment: Experiment, best: dict[str, float], trials: int = ENOUGH) -> optuna.Study:
    """Return a study whose first trial is the best, with these numbers; the others lie in the middle."""
    study = optuna.create_study(direction="maximize" if experiment.maximize else "minimize")
    for number in range(trials):
        options = {"optimizer": "adam"}
        suggest = FixedSuggest(options, best if number == 0 else {})
        experiment.draw(suggest)
        distributions = {name: _distribution(value) for name, value in suggest.told.items()}
        value = -number if experiment.maximize else number
        study.add_trial(create_trial(params=suggest.told, distributions=distributions, value=value))
    return study


def _distribution(value: Any) -> optuna.distributions.BaseDistribution:
    if isinstance(value, float):
        return optuna.distributions.FloatDistribution(-1e9, 1e9)
    return optuna.distributions.CategoricalDistribution((value,))


RATE = Float(1e-4, 1.0, log=True)
MOMENTUM = Float(0.5, 0.98, complement_log=True)


@pytest.mark.parametrize(
    ("lr", "side", "wider"),
    [
        (1e-4, "lower", Float(1e-5, 1.0, log=True)),
        (1.5e-4, "lower", Float(1e-5, 1.0, log=True)),  # 4.4 % of four decades
        (1.7e-4, None, None),  # 5.8 %
        (0.01, None, None),
        (0.6, None, None),
        (0.7, "upper", Float(1e-4, 10.0, log=True)),
        (1.0, "upper", Float(1e-4, 10.0, log=True)),
    ],
)
def test_a_number_is_at_a_bound_in_the_outer_part_of_the_searched_axis(
    lr: float, side: Any, wider: Float | None
) -> None:
    experiment = bowl(optimizer=SGD.search(lr=RATE))
    found = at_bounds(experiment, study_of(experiment, {"optimizer.lr": lr}))
    assert found == ((AtBound("optimizer.lr", lr, RATE, side, wider),) if wider else ())


def test_a_momentum_is_measured_by_its_distance_to_one() -> None:
    experiment = bowl(optimizer=Momentum.search(lr=0.1, momentum=MOMENTUM))
    (found,) = at_bounds(experiment, study_of(experiment, {"optimizer.momentum": 0.978}))
    assert (found.name, found.side, found.wider) == (
        "optimizer.momentum",
        "upper",
        Float(0.5, 0.998, complement_log=True),
    )
    assert found.value == pytest.approx(0.978)
    assert at_bounds(experiment, study_of(experiment, {"optimizer.momentum": 0.97})) == ()


@pytest.mark.parametrize(("epochs", "ends"), [(3, ["lower"]), (5, []), (7, []), (9, ["upper"])])
def test_a_whole_number_is_at_a_bound_on_the_end_itself(epochs: int, ends: list[str]) -> None:
    experiment = bowl(optimizer=SGD(), epochs=Int(3, 10, step=2))
    found = at_bounds(experiment, study_of(experiment, {"epochs": epochs}))
    assert [at.side for at in found] == ends


def test_what_only_one_alternative_has_is_named_with_it() -> None:
    experiment = bowl(optimizer=Choice(SGD, Adam.search(lr=RATE)))
    (found,) = at_bounds(experiment, study_of(experiment, {"optimizer.adam.lr": 1.0, "optimizer.sgd.lr": 3.0}))
    assert (found.name, found.value) == ("optimizer.adam.lr", 1.0)


def test_the_best_is_on_the_side_that_the_experiment_asks_for() -> None:
    experiment = wine(optimizer=SGD.search(lr=RATE), batch_size=16)
    assert len(at_bounds(experiment, study_of(experiment, {"optimizer.lr": 1.0}))) == 1


def test_a_field_that_goes_no_further_is_at_no_bound() -> None:
    experiment = wine(model=MLP.search(width=4, depth=Int(1, 3), dropout=Float(0, 0.5)), optimizer=SGD(), batch_size=16)
    assert at_bounds(experiment, study_of(experiment, {"model.depth": 1, "model.dropout": 0.0})) == ()
    (found,) = at_bounds(experiment, study_of(experiment, {"model.depth": 3, "model.dropout": 0.2}))
    assert found.wider == Int(1, 5)


def test_no_batch_grows_beyond_the_training_part() -> None:
    experiment = wine(optimizer=SGD(), batch_size=Int(64, 128, log=True))
    (found,) = at_bounds(experiment, study_of(experiment, {"batch_size": 128}))
    assert found.wider == Int(64, 142, log=True)


def test_a_few_trials_say_nothing_of_a_range() -> None:
    experiment = bowl(optimizer=SGD.search(lr=RATE))
    assert at_bounds(experiment, study_of(experiment, {"optimizer.lr": 1.0}, ENOUGH - 1)) == ()
    assert at_bounds(experiment, study_of(experiment, {}, 0)) == ()


def test_a_range_of_one_number_has_no_bound() -> None:
    experiment = bowl(optimizer=SGD.search(lr=Float(0.1, 0.1)), epochs=Int(3, 3))
    assert at_bounds(experiment, study_of(experiment, {})) == ()


# ---- in a study


def test_a_study_tells_where_its_best_trial_is_at_a_bound(tmp_path: Path) -> None:
    """A bowl wants a larger learning rate than these."""
    low = Float(1e-6, 1e-4, log=True)
    study = search(bowl(optimizer=SGD.search(lr=low)), tmp_path, trials=30)
    (found,) = study.at_bounds
    assert study.best is not None
    assert found == AtBound(
        "optimizer.lr", study.best.trial.params["optimizer.lr"], low, "upper", Float(1e-6, 1e-3, log=True)
    )
    assert search(bowl(optimizer=SGD.search(lr=Float(1e-4, 3, log=True))), tmp_path, trials=30).at_bounds == ()


def test_of_several_that_are_as_good_the_first_to_end_is_the_best(tmp_path: Path) -> None:
    study = search(wine(optimizer=SGD.search(lr=Float(0.1, 0.5)), epochs=Int(10, 20)), tmp_path, trials=40)
    complete = [trial for trial in study.optuna.trials if trial.value is not None]
    assert study.best is not None
    assert sum(trial.value == study.best.value for trial in complete) > 1
    assert best_of(complete, maximize=True).number == study.best.trial.number
