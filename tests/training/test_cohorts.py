"""Cohorts: structure parts trials and numbers do not, and the cache says how many train together."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from laws.runs import job, varied

from training.digits_trials import PLAIN, experiment, trial

if TYPE_CHECKING:
    from torch import nn
from tunelab.backends import backend_of
from tunelab.errors import PluginError
from tunelab.experiments import Experiment
from tunelab.models import MLP, TorchModel
from tunelab.space import Choice
from tunelab.training.cohorts import Cohorts
from tunelab.training.feed import Arrays
from tunelab.training.population import Cohort
from tunelab.trial import Trial


def cohorts(made: Experiment, population: int | None = None) -> Cohorts:
    split, backend = job(made).split, backend_of(made.backend, made.dtype)
    feed = Arrays({"train_": (backend.asarray(split.x_train), backend.asarray(split.y_train))})
    return Cohorts(made, split, feed, backend, population)


def net(in_features: int, out_features: int) -> "nn.Module":
    from torch import nn

    return nn.Linear(in_features, out_features)


def of_a_module(population: int | None = None) -> tuple[Cohorts, Callable[[int], Cohort]]:
    """Return the cohorts of an experiment with a module of PyTorch, and what finds a trial's."""
    found = cohorts(experiment(model=TorchModel(net), backend="torch"), population)
    return found, lambda number: found.of(Trial(number, number, PLAIN | {"model": "net"}))[1]


def test_structure_splits_cohorts_and_numbers_do_not() -> None:
    found = cohorts(experiment())
    (_, first) = found.of(trial(0))
    for like in (trial(1, dropout=0.5), trial(2, **{"optimizer.lr": 1.0}), trial(3, epochs=1, clip_norm=1.0)):
        assert found.of(like)[1] == first
    for other in (trial(4, width=8), trial(5, batch_size=31)):
        assert found.of(other)[1] != first


def test_dropout_and_none_are_of_different_structure() -> None:
    found = cohorts(experiment(model=MLP.search(width=4, depth=1, dropout=Choice(0.0, 0.2))))
    (_, some), (_, none) = found.of(trial(0)), found.of(trial(1, dropout=0.0))
    assert some != none


def test_as_many_train_together_as_the_cache_holds() -> None:
    def capacity(width: int, dtype: str) -> int:
        found = cohorts(varied(model=MLP(width=width), optimizer=Choice("sgd"), dtype=dtype, batch_size=31))
        return found.capacity(found.of(Trial(0, 0, PLAIN | {"batch_size": 31, "epochs": 1}))[1])

    assert capacity(8, "float32") == 16
    assert capacity(512, "float32") == 4 * 2**20 // (5 * 4 * (65 * 512 + 513 * 10))
    assert capacity(4096, "float32") == 1
    assert capacity(512, "float64") == 4 * 2**20 // (5 * 8 * (65 * 512 + 513 * 10)), "float64 takes twice the room"


def test_who_trains_apart_has_a_cohort_of_its_own() -> None:
    found = cohorts(experiment())
    found.apart.add(1)
    (_, shared), (_, own) = found.of(trial(0)), found.of(trial(1))
    assert (shared.apart, own.apart) == (None, 1)
    assert (found.capacity(shared), found.capacity(own)) == (16, 1)


@pytest.mark.torch
def test_a_network_that_is_found_to_train_alone_does_so_for_all_and_it_is_said_once() -> None:
    found, cohort_of = of_a_module()
    cohort = cohort_of(0)
    assert found.capacity(cohort) > 1
    for number in (3, 4):
        found.find_alone(cohort, number, "their batches differ")
    assert found.capacity(cohort_of(5)) == 1
    assert found.found_alone() == ((3, "their batches differ"), (4, "their batches differ"))
    assert found.said() == ("trials train one at a time: their batches differ",)
    assert (found.found_alone(), found.said()) == ((), ())


@pytest.mark.torch
def test_who_takes_over_knows_it_without_saying_it_again() -> None:
    found, cohort_of = of_a_module()
    cohort = cohort_of(0)
    found.apart.add(1)
    found.train_alone(cohort_of(1), "their batches differ")
    assert found.capacity(cohort) == 1
    assert (found.found_alone(), found.said()) == ((), ())


@pytest.mark.torch
def test_where_one_at_a_time_was_asked_for_it_is_not_explained() -> None:
    found, cohort_of = of_a_module(population=1)
    found.find_alone(cohort_of(0), 0, "their batches differ")
    assert found.said() == ()


def test_what_is_wrong_with_a_trial_is_raised_for_it_alone() -> None:
    found = cohorts(experiment())
    with pytest.raises(PluginError, match="lr"):
        found.of(trial(0, **{"optimizer.lr": -1.0}))
    found.of(trial(0))
