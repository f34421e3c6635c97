"""Order law: who comes first changes nothing, and the order of rows depends on a trial's seed and epoch alone."""

from dataclasses import replace

import numpy as np
import pytest

from laws.checks import order_law, same
from laws.runs import OPTIMIZERS, drawn, train, varied
from tunelab.models import MLP
from tunelab.space import Choice, Float

RULES = [name for name in OPTIMIZERS if name != "gradient-descent"]


@pytest.mark.parametrize("population", [3, 16])
@pytest.mark.parametrize("seed", [0, 1])
def test_trials_handed_over_in_another_order(population: int, seed: int) -> None:
    model = MLP.search(width=8, depth=1, dropout=Float(0.1, 0.5))
    experiment = varied(model=model, optimizer=Choice(*OPTIMIZERS))
    trials = drawn(experiment, 12, seed=9)
    numbers = np.random.default_rng(seed).permutation(12).tolist()
    order_law(experiment, trials, numbers, population)


def test_cohorts_that_train_in_turn() -> None:
    experiment = varied(
        model=MLP.search(width=Choice(4, 8), depth=1), batch_size=Choice(16, 31), optimizer=Choice(*RULES)
    )
    trials = drawn(experiment, 16, seed=10)
    run = train(experiment, trials, population=4)
    same({n: train(experiment, [t])[n] for n, t in enumerate(trials)}, run, range(16))


def test_equal_trials_of_different_numbers_give_equal_curves() -> None:
    experiment = varied()
    first = drawn(experiment, 1, seed=11)[0]
    run = train(experiment, [first, replace(first, number=5), replace(first, number=1)], population=2)
    assert run[0].curve == run[5].curve == run[1].curve
    assert run[0].curve


def test_trials_of_different_seeds_give_different_curves() -> None:
    experiment = varied()
    first = drawn(experiment, 1, seed=11)[0]
    run = train(experiment, [first, replace(first, number=1, seed=first.seed + 1)])
    assert run[0].curve[0] != run[1].curve[0]
