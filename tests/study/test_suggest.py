"""Who decides a trial's hyperparameters: Optuna, the defaults, or a grid."""

from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from spaces import any_float, experiments

from tunelab import Choice, Experiment, Float, Int
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.study.suggest import (
    FixedSuggest,
    OptunaSuggest,
    defaults,
    ends,
    first_options,
    from_optuna,
    grid,
    optuna_name,
    searched,
    shared,
    to_optuna,
)

from .rig import bowl, flat, wine

optuna.logging.set_verbosity(optuna.logging.WARNING)


def ask(params: dict[str, Any] | None = None) -> optuna.Trial:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    if params is not None:
        study.enqueue_trial(params)
    return study.ask()


@given(any_float())
def test_a_range_that_is_searched_by_its_distance_to_one_comes_back_inside(range_: Float) -> None:
    low, high = ends(range_)
    assert low <= high
    for value in (low, high):
        assert range_.low <= from_optuna(value, range_) <= range_.high
    for value in (range_.low, range_.at(0.5), range_.high):
        assert low <= to_optuna(value, range_) <= high
        assert from_optuna(to_optuna(value, range_), range_) == pytest.approx(value, rel=1e-12, abs=1e-15)


def test_optuna_sees_one_minus_a_momentum_and_its_name_says_so() -> None:
    near_one = Float(0.5, 0.99, complement_log=True)
    assert optuna_name("optimizer.sgd.momentum", near_one) == "optimizer.sgd.one_minus_momentum"
    assert optuna_name("momentum", near_one) == "one_minus_momentum"
    assert optuna_name("optimizer.lr", Float(0, 1)) == "optimizer.lr"
    trial = ask()
    value = OptunaSuggest(trial).number("optimizer.momentum", near_one, None)
    assert trial.params == {"optimizer.one_minus_momentum": pytest.approx(1 - value, rel=1e-12)}
    assert trial.distributions["optimizer.one_minus_momentum"] == optuna.distributions.FloatDistribution(
        1 - 0.99, 0.5, log=True
    )


@pytest.mark.parametrize("range_", [Int(2, 9, step=4), Int(2, 10, step=3), Int(5, 5), Int(1, 100, log=True)])
def test_whole_numbers_are_asked_for_without_a_warning(range_: Int) -> None:
    assert OptunaSuggest(ask()).number("n", range_, None) in range_.grid()


# ---- defaults


def drawn(experiment: Experiment, params: dict[str, Any]) -> dict[str, Any]:
    return experiment.draw(OptunaSuggest(ask(params)))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(experiments())
def test_what_is_enqueued_is_what_is_drawn(experiment: Experiment) -> None:
    for params in defaults(experiment):
        trial = ask(params)
        shown = experiment.draw(OptunaSuggest(trial))
        assert trial.params == {name: value for name, value in params.items() if name in trial.params}
        assert set(trial.params) == set(params), "nothing is left for the sampler"
        assert {name: shown[name] for name in flat(trial.params) if name.count(".") == 0}.items() <= shown.items()


def test_every_alternative_is_tried_first_with_its_own_defaults() -> None:
    experiment = bowl(optimizer=Choice(SGD, Momentum, Adam), schedule=Choice("constant", "cosine"))
    first = [drawn(experiment, params) for params in defaults(experiment)]
    tried = [(params["optimizer"], params["schedule"]) for params in first]
    assert tried == [("sgd", "constant"), ("momentum", "constant"), ("adam", "constant"), ("sgd", "cosine")]
    assert first[0]["optimizer.lr"] == SGD().lr
    for name, value in Adam():
        assert first[2][f"optimizer.{name}"] == pytest.approx(value, rel=1e-12)


def test_a_searched_plugin_is_tried_first_as_it_is_by_default() -> None:
    experiment = wine(model="mlp", optimizer="adam", batch_size=Choice(16, 32, 64), epochs=Int(5, 40))
    (params,) = defaults(experiment)
    configuration = experiment.configure(drawn(experiment, params))
    assert configuration.model == MLP()
    assert configuration.optimizer == Adam()
    assert configuration.training.batch_size == 32
    assert configuration.training.epochs == 20


def test_a_default_outside_the_range_moves_into_it() -> None:
    experiment = wine(optimizer=SGD.search(lr=Float(0.1, 1)), batch_size=Choice(64, 128), epochs=Int(1, 5))
    (params,) = defaults(experiment)
    shown = drawn(experiment, params)
    assert (shown["optimizer.lr"], shown["batch_size"], shown["epochs"]) == (0.1, 64, 5)


def test_nothing_is_enqueued_where_nothing_varies() -> None:
    assert defaults(bowl(optimizer=SGD())) == []


def test_a_range_without_a_default_begins_in_its_middle() -> None:
    suggest = FixedSuggest()
    assert suggest.number("a", Float(1e-4, 1, log=True), None) == pytest.approx(1e-2)
    assert suggest.number("b", Int(1, 9), None) == 5


# ---- grid


def test_a_grid_holds_every_combination_once() -> None:
    experiment = bowl(
        optimizer=Choice(SGD.search(lr=Choice(0.1, 0.2)), Momentum.search(lr=0.1, momentum=Float(0, 0.9))),
        schedule=Choice("constant", "linear"),
        epochs=Int(1, 5, step=2),
    )
    points = list(grid(experiment))
    assert len(points) == (2 + 5) * 2 * 3
    shown = [drawn(experiment, params) for params in points]
    assert len({tuple(params.items()) for params in shown}) == len(points)
    momenta = sorted({params["optimizer.momentum"] for params in shown if "optimizer.momentum" in params})
    assert momenta == pytest.approx([0, 0.225, 0.45, 0.675, 0.9])
    assert {params["epochs"] for params in shown} == {1, 3, 5}


def test_a_grid_of_a_momentum_is_even_in_orders_of_its_distance_to_one() -> None:
    experiment = bowl(optimizer=Momentum.search(lr=0.1, momentum=Float(0, 0.9999, complement_log=True)))
    shown = [drawn(experiment, params)["optimizer.momentum"] for params in grid(experiment)]
    assert shown == pytest.approx([0, 0.9, 0.99, 0.999, 0.9999])


def test_a_grid_asks_full_batch_rules_for_no_batch_size() -> None:
    experiment = wine(optimizer=Choice("gradient-descent", SGD(lr=0.1)), batch_size=Choice(8, 16, 32))
    assert len(list(grid(experiment))) == 5 + 3


def test_a_grid_over_a_wide_range_does_not_have_to_be_made_whole() -> None:
    from itertools import islice

    assert len(list(islice(grid(bowl(epochs=Int(1, 10**9))), 3))) == 3


# ---- names


@pytest.mark.parametrize(
    ("experiment", "names"),
    [
        (bowl(optimizer=SGD()), ()),
        (bowl(optimizer=Choice(SGD(), Adam())), ("optimizer",)),
        (bowl(optimizer="sgd"), ("optimizer.lr",)),
        (
            bowl(optimizer=Choice(SGD, Momentum), epochs=Int(1, 3), model=Choice(Quadratic(), "branin")),
            ("model", "optimizer", "optimizer.lr", "optimizer.momentum", "epochs"),
        ),
    ],
)
def test_what_varies_is_named_once_and_flat(experiment: Experiment, names: tuple[str, ...]) -> None:
    assert searched(experiment) == names


def test_what_every_trial_has_is_told_from_what_some_have() -> None:
    experiment = bowl(optimizer=Choice(SGD, Momentum), epochs=Int(1, 3), model=Choice(Quadratic(), "branin"))
    assert shared(experiment) == ("model", "optimizer", "optimizer.lr", "epochs")
    assert shared(bowl(optimizer="momentum")) == searched(bowl(optimizer="momentum"))
    for options in first_options(experiment):
        assert set(shared(experiment)) <= set(experiment.draw(FixedSuggest(options)))
