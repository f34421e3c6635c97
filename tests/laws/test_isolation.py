"""Isolation law: a trial that diverges, raises, is pruned or ends changes no other trial's curve."""

import math
from typing import Any

import pytest

from laws import functions
from laws.checks import isolation_law
from laws.runs import OPTIMIZERS, Run, drawn, train, varied
from tunelab.experiments import Experiment
from tunelab.models import MLP, Function, Quadratic
from tunelab.space import Choice, Float
from tunelab.trial import State, Trial

RULES = [name for name in OPTIMIZERS if name != "gradient-descent"]
MLP_PARAMS = {"model": "mlp", "schedule": "constant", "batch_size": 16, "warmup": 0.0, "weight_decay": 0.0}


def network(dtype: str = "float32") -> Experiment:
    model = MLP.search(width=8, depth=1, dropout=Float(0.1, 0.5))
    return varied(model=model, optimizer=Choice(*RULES), epochs=4, dtype=dtype)


def wild(number: int, lr: float) -> Trial:
    """Return a trial of the network whose learning rate is far too large."""
    rule = {"optimizer": "sgd", "optimizer.lr": lr, "epochs": 4, "clip_norm": None, "model.dropout": 0.1}
    return Trial(number, number, MLP_PARAMS | rule)


def descent(f: Any, lr: float, number: int) -> Trial:
    """Return a trial that walks from 1 towards 0 on a function that misbehaves below 0.5."""
    params = {"model": "function", "optimizer": "sgd", "optimizer.lr": lr, "schedule": "constant", "batch_size": 32}
    return Trial(number, number, params | {"epochs": 6, "warmup": 0.0, "weight_decay": 0.0, "clip_norm": None})


def misbehaving(f: Any, *, steps: int = 3, dtype: str = "float64", **fields: Any) -> Experiment:
    return varied(
        data=None,
        model=Function(f=f, gradient=functions.slope, start=(1.0, -0.25)),
        optimizer=Choice("sgd"),
        steps_per_epoch=steps,
        dtype=dtype,
        epochs=6,
        **fields,
    )


BYSTANDERS = (0, 2, 3)
TROUBLED = 1


def beside_trouble(f: Any, lr: float = 0.08, **fields: Any) -> Run:
    """Train three slow walks that stay above 0.5, and among them one that goes below."""
    experiment = misbehaving(f, **fields)
    slow = [descent(f, 0.001 * (1 + number), number) for number in BYSTANDERS]
    return isolation_law(experiment, slow, [descent(f, lr, TROUBLED)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lr", [1e3, 1e6, 1e30])
def test_divergence_within_an_epoch(lr: float, dtype: str) -> None:
    experiment = network(dtype)
    bystanders = drawn(experiment, 5, seed=7, first=1)
    run = isolation_law(experiment, bystanders, [wild(0, lr), wild(6, lr)])
    for number in (0, 6):
        ended = run[number].ended
        assert ended is not None
        assert ended.state is State.DIVERGED
        assert (ended.epoch, run[number].curve) == (0, [])
        assert 1 < ended.step < 6, "it must end at once, within the first epoch's six steps"
        assert ended.reason is not None
        assert ended.reason.startswith("training loss was ")
        assert ended.reason.endswith(f"at step {ended.step} (epoch 1)")
        assert ended.weights is None


def test_every_member_of_a_population_diverges() -> None:
    experiment = network()
    run = train(experiment, [wild(number, 1e6) for number in range(5)], population=3)
    assert {str(outcome.ended.state) for outcome in run.outcomes.values() if outcome.ended} == {"diverged"}
    assert [one.members for one in run.progress] == [3, 2], "places freed by divergence are refilled in the next round"


@pytest.mark.parametrize(
    ("f", "named"),
    [(functions.undefined_below_half, "nan"), (functions.infinite_below_half, "inf")],
)
def test_a_training_loss_that_is_no_number(f: Any, named: str) -> None:
    ended = beside_trouble(f)[TROUBLED].ended
    assert ended is not None
    assert ended.state is State.DIVERGED
    # 1 x 0.84^k falls below 0.5 at k = 4: the loss of the fifth step, the second of the second epoch, is no number
    assert (ended.epoch, ended.step) == (1, 5)
    assert ended.reason == f"training loss was {named} at step 5 (epoch 2)"


def test_a_training_loss_of_minus_infinity_ends_a_trial_at_once() -> None:
    ended = beside_trouble(functions.minus_infinite_below_half)[TROUBLED].ended
    assert ended is not None
    assert (ended.state, ended.epoch, ended.step) == (State.DIVERGED, 1, 5)


def test_a_loss_that_is_no_number_in_evaluation_alone() -> None:
    # the fourth step, an epoch's last, leaves theta below 0.5: only the evaluation sees it
    ended = beside_trouble(functions.undefined_below_half, steps=4)[TROUBLED].ended
    assert ended is not None
    assert (ended.state, ended.epoch, ended.step) == (State.DIVERGED, 1, 4)
    assert ended.reason == "loss was nan at step 4 (epoch 1)"


def test_a_training_loss_of_nan_in_an_epochs_last_step_is_said_to_be_of_that_epoch() -> None:
    ended = beside_trouble(functions.undefined_below_half, steps=5)[TROUBLED].ended
    assert ended is not None
    assert ended.reason == "training loss was nan at step 5 (epoch 1)"


@pytest.mark.parametrize(("bound", "ends"), [(1.2, True), (1e3, False)])
def test_a_loss_above_the_bound(bound: float, ends: bool) -> None:
    # lr 1.2 turns theta into -1.4 theta a step: 1.06, 2.08, 4.1, ... for six steps of one epoch each
    run = beside_trouble(functions.bowl, lr=1.2, steps=1, diverged_above=bound)
    ended = run[TROUBLED].ended
    assert ended is not None
    assert ended.state is (State.DIVERGED if ends else State.COMPLETE)


def test_only_losses_are_held_against_the_bound() -> None:
    # a learning rate of 40 is right where the curvature is 0.01, and an accuracy of 0.9 is no loss
    params = {"model": "quadratic", "optimizer": "sgd", "optimizer.lr": 40.0, "schedule": "constant", "batch_size": 32}
    params |= {"epochs": 3, "warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}
    experiment = varied(
        data=None, model=Quadratic(curvature=(0.01,)), optimizer=Choice("sgd"), epochs=3, diverged_above=10.0
    )
    ended = train(experiment, [Trial(0, 0, params)])[0].ended
    assert ended is not None
    assert ended.state is State.COMPLETE, ended.reason


def test_a_function_that_goes_far_below_zero_has_not_diverged() -> None:
    # `diverged_above` speaks of losses above it
    params = {"model": "function", "optimizer": "sgd", "optimizer.lr": 0.1, "schedule": "constant", "batch_size": 32}
    params |= {"epochs": 3, "warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}
    experiment = varied(
        data=None,
        model=Function(f=functions.plain, gradient=functions.plain_slope, start=(0.0,)),
        optimizer=Choice("sgd"),
        epochs=3,
        diverged_above=10.0,
    )
    outcome = train(experiment, [Trial(0, 0, params)])[0]
    assert outcome.metric("loss") == pytest.approx([-1e3, -2e3, -3e3])


@pytest.mark.parametrize("steps", [3, 4])
def test_a_function_that_raises_fails_alone(steps: int) -> None:
    run = beside_trouble(functions.raises_below_half, steps=steps)
    ended = run[TROUBLED].ended
    assert ended is not None
    assert ended.state is State.FAILED
    assert ended.reason is not None
    assert ended.reason.startswith("ZeroDivisionError: no value at 0.4")
    assert all(run[number].end[0] == "complete" for number in BYSTANDERS)


def test_a_function_that_always_raises_fails_every_trial_and_nothing_else() -> None:
    experiment = misbehaving(functions.always_raises)
    run = train(experiment, [descent(None, 0.1, number) for number in range(5)], population=3)
    assert [outcome.end for outcome in run.outcomes.values()] == [
        ("failed", 0, 0, "ZeroDivisionError: no value anywhere")
    ] * 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trial_that_is_pruned(dtype: str) -> None:
    experiment = network(dtype)
    trials = drawn(experiment, 7, seed=8)
    run = isolation_law(experiment, trials[:3] + trials[4:], trials[3:4], stops={2: [3]})
    assert run[3].end == ("pruned", 2, 12, "stopped by the pruner")
    assert len(run[3].curve) == 2


def test_branin_beside_a_point_beyond_the_reach_of_a_fast_cosine() -> None:
    experiment = varied(data=None, model="branin", optimizer=Choice("sgd"), dtype="float64", epochs=4)
    base = {"model": "branin", "optimizer": "sgd", "schedule": "constant", "batch_size": 32, "epochs": 4}
    base |= {"warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}
    trials = [Trial(n, n, base | {"optimizer.lr": lr}) for n, lr in enumerate((1e-3, 1e9, 2e-3, 1e-2))]
    run = isolation_law(experiment, [trials[0], trials[2], trials[3]], [trials[1]])
    assert run[1].end[0] == "diverged"


def test_reported_numbers_are_finite() -> None:
    experiment = network()
    run = train(experiment, [wild(0, 3.0), wild(1, 30.0), *drawn(experiment, 4, first=2)], population=6)
    numbers = [v for o in run.outcomes.values() for r in o.reports.values() for v in r.metrics.values()]
    assert numbers
    assert all(map(math.isfinite, numbers))
