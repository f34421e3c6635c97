"""Member law: a trial trained alone gives, bit for bit, the curve that it gives inside any population."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laws.checks import member_law
from laws.runs import OPTIMIZERS, SCHEDULES, classes, drawn, one_of_each, values, varied
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import Adam, AdamW, Momentum
from tunelab.schedules import Exponential, Polynomial, Step
from tunelab.space import Choice, Float
from tunelab.trial import Trial

FULL = len(classes()[0])
NETWORKS: dict[str, Any] = {
    "softmax-regression": "softmax-regression",
    "one unit": MLP(width=1),
    "three units": MLP(width=3, depth=2),
    "wide": MLP(width=64),
    "layer norm": MLP(width=16, layer_norm=True),
    "layer norm of one": MLP(width=1, layer_norm=True, activation="softplus"),
    "gelu": MLP(width=5, activation="gelu"),
    "tanh": MLP(width=5, activation="tanh"),
    "softplus": MLP(width=5, activation="softplus"),
    "dropout": MLP.search(width=9, depth=2, dropout=Float(0.05, 0.8)),
    "all": MLP.search(width=7, depth=2, activation="gelu", layer_norm=True, dropout=Float(0.05, 0.8)),
}
FUNCTIONS = ("quadratic", "rosenbrock", "beale", "branin")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("population", [2, 7, 16])
def test_any_optimizer_beside_any_other(population: int, dtype: str) -> None:
    experiment = varied(dtype=dtype)
    trials = one_of_each(experiment)
    trials += drawn(experiment, 20 - len(trials), first=len(trials))
    assert {trial.params["optimizer"] for trial in trials} == set(OPTIMIZERS)
    assert {trial.params["schedule"] for trial in trials} == set(SCHEDULES)
    member_law(experiment, trials, population)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS)
def test_any_network(network: str, dtype: str) -> None:
    experiment = varied(model=NETWORKS[network], dtype=dtype, batch_size=20)
    member_law(experiment, drawn(experiment, 7, seed=1), population=7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 7, 31, 92, 93, "full"])
def test_any_batch_size_with_its_remainder(batch_size: int | str, dtype: str) -> None:
    experiment = varied(batch_size=batch_size, dtype=dtype, model=MLP.search(width=6, depth=1, dropout=Float(0.1, 0.5)))
    member_law(experiment, drawn(experiment, 6, seed=2), population=6)


@pytest.mark.parametrize("model", ["linear-regression", MLP(width=6, activation="tanh")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regression(model: Any, dtype: str) -> None:
    experiment = varied(model=model, data=values(), dtype=dtype)
    member_law(experiment, drawn(experiment, 9, seed=3), population=9)


def test_regression_of_several_values_at_once() -> None:
    x, y = values()
    experiment = varied(data=(x, np.stack([y, y**2, np.sqrt(y)], 1)), dtype="float64")
    member_law(experiment, drawn(experiment, 9, seed=4), population=9)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", FUNCTIONS)
def test_functions(model: str, dtype: str, steps: int) -> None:
    experiment = varied(model=model, data=None, dtype=dtype, steps_per_epoch=steps, epochs=Choice(2, 4))
    member_law(experiment, drawn(experiment, 9, seed=steps), population=5)


@pytest.mark.parametrize("steps", [1, 3, 256, 257, 513])
@pytest.mark.parametrize("rule", ["adam", "adamw", "momentum"])
def test_bias_corrections_do_not_depend_on_how_many_steps_are_planned_at_once(rule: str, steps: int) -> None:
    # numpy.power squares where the exponent is one 2.0 for the whole call, and takes a logarithm where it is many
    optimizer = {
        "adam": Adam.search(lr=1e-2, beta1=Float(0.5, 0.9), beta2=Float(0.9, 0.99), eps=1e-8),
        "adamw": AdamW.search(lr=1e-2, beta1=Float(0.5, 0.9), beta2=Float(0.9, 0.99), eps=1e-8, weight_decay=0.1),
        "momentum": Momentum.search(lr=1e-2, momentum=Float(0.5, 0.9), dampening=0.5),
    }[rule]
    experiment = varied(
        model="quadratic", data=None, dtype="float64", steps_per_epoch=steps, epochs=3, optimizer=optimizer
    )
    count = 150 if steps == 1 else 24
    member_law(experiment, drawn(experiment, count), population=count)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0])
def test_polynomial_schedule_of_a_special_power(power: float, steps: int) -> None:
    schedule = Polynomial.search(power=power, final=Float(0.0, 0.1))
    experiment = varied(schedule=schedule, model="quadratic", data=None, steps_per_epoch=steps, epochs=7, warmup=0.0)
    member_law(experiment, drawn(experiment, 12), population=12)


@pytest.mark.parametrize(
    "schedule", [Exponential.search(final=Float(1e-3, 0.5)), Step.search(gamma=Float(0.1, 0.9), every=0.2)]
)
def test_schedule_that_is_a_power_of_time(schedule: Any) -> None:
    experiment = varied(schedule=schedule, model="quadratic", data=None, steps_per_epoch=1, epochs=12, warmup=0.0)
    member_law(experiment, drawn(experiment, 24), population=24)


def test_a_neighbour_that_is_clipped_changes_nothing_where_a_squared_gradient_overflows() -> None:
    model = Quadratic(start=(1e-11,), curvature=(1e30,))  # f = 1e8 and g = 2e19, whose square float32 cannot hold
    experiment = varied(
        model=model, data=None, epochs=3, optimizer="sgd", clip_norm=Choice(None, 1.0), diverged_above=1e9
    )
    base = {"model": "quadratic", "optimizer": "sgd", "optimizer.lr": 1e-32, "schedule": "constant"}
    base |= {"batch_size": 32, "epochs": 3, "warmup": 0.0, "weight_decay": 0.0}
    trials = [Trial(n, n, base | {"clip_norm": clip}) for n, clip in enumerate((None, 1.0))]
    member_law(experiment, trials, population=2)


def test_trials_that_join_in_different_rounds() -> None:
    experiment = varied(epochs=Choice(1, 2, 5))
    trials = drawn(experiment, 20, seed=5)
    arrivals = {0: range(3), 1: range(3, 4), 2: range(4, 12), 5: range(12, 20)}
    member_law(experiment, trials, population=6, arrivals=arrivals)


@st.composite
def compositions(draw: st.DrawFn) -> dict[str, Any]:
    model = MLP.search(
        width=draw(st.sampled_from([1, 3, 8, 64])),
        depth=draw(st.integers(1, 2)),
        activation=draw(st.sampled_from(["relu", "gelu", "tanh", "softplus"])),
        layer_norm=draw(st.booleans()),
        dropout=Float(0.05, 0.7) if draw(st.booleans()) else 0.0,
    )
    count = draw(st.integers(2, 12))
    rounds = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    arrivals: dict[int, list[int]] = {}
    for number, one in enumerate([0, 0, *rounds[2:]]):
        arrivals.setdefault(one, []).append(number)
    return {
        "model": model,
        "data": draw(st.sampled_from([classes(), values()])),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "batch_size": draw(st.sampled_from([5, 16, 40, "full"])),
        "seed": draw(st.integers(0, 10_000)),
        "count": count,
        "arrivals": arrivals,
        "population": draw(st.integers(2, 16)),
        "stops": draw(st.dictionaries(st.integers(1, 5), st.lists(st.integers(0, 11), max_size=2), max_size=2)),
    }


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(compositions())
def test_any_composition_with_refills_and_stops(composed: dict[str, Any]) -> None:
    fields = {name: composed[name] for name in ("model", "data", "dtype", "batch_size")}
    rules = [name for name in OPTIMIZERS if name != "gradient-descent"]  # with it, the first two might not meet
    experiment = varied(**fields, optimizer=Choice(*rules), epochs=Choice(2, 3, 5))
    trials = drawn(experiment, composed["count"], composed["seed"])
    member_law(experiment, trials, composed["population"], composed["arrivals"], composed["stops"])
