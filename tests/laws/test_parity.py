"""Law 4: from one seed, NumPy and torch give the same curve."""

from typing import Any

import pytest
import torch

from laws.runs import OPTIMIZERS, Run, drawn, one_of_each, train, values, varied
from tunelab.models import MLP
from tunelab.optimizers import Adam, Momentum, TorchOptimizer
from tunelab.space import Choice, Float
from tunelab.study.suggest import FixedSuggest
from tunelab.trial import Trial

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
LOOSE = {"soap": 2e-3, "shampoo": 5e-4}
"""Where a matrix has equal eigenvalues, any vectors that span their space are its eigenvectors: LAPACK chooses. A
negative power of eigenvalues near zero magnifies what float32 rounds, on each processor otherwise (1.3e-4 seen)."""


def run(backend: str, dtype: str, **fields: Any) -> tuple[Run, dict[int, str]]:
    experiment = varied(backend=backend, dtype=dtype, **fields)
    trials = one_of_each(experiment)
    return train(experiment, trials, population=16), {t.number: str(t.params["optimizer"]) for t in trials}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": MLP(width=6, depth=2, activation="gelu", layer_norm=True, dropout=0.3)},
        {"data": values(), "model": MLP(width=6, activation="tanh")},
        {"model": "rosenbrock", "data": None, "steps_per_epoch": 5},
    ],
    ids=["classes", "all layers", "values", "function"],
)
def test_one_seed_gives_one_curve_on_either_backend(dtype: str, fields: dict[str, Any]) -> None:
    expected, names = run("numpy", dtype, **fields)
    found, _ = run("torch", dtype, **fields)
    assert set(names.values()) == set(OPTIMIZERS)
    for number, outcome in expected.outcomes.items():
        other, rule = found[number], names[number]
        assert other.end == outcome.end, rule
        for name in ("train_loss", "val_loss", "loss"):
            if outcome.reports and name in next(iter(outcome.reports.values())).metrics:
                close = pytest.approx(outcome.metric(name), rel=LOOSE.get(rule, TOLERANCE[dtype]), abs=1e-6)
                assert other.metric(name) == close, (rule, name)


def test_a_member_on_torch_trains_alike_alone_and_in_company() -> None:
    experiment = varied(backend="torch", dtype="float64", model=MLP.search(width=6, depth=1, dropout=Float(0.1, 0.5)))
    trials = drawn(experiment, 12, seed=8)
    together = train(experiment, trials, population=12)
    for trial in trials:
        alone = train(experiment, [trial], population=1)[trial.number]
        assert alone.end == together[trial.number].end
        assert together[trial.number].metric("val_loss") == pytest.approx(alone.metric("val_loss"), rel=1e-5)


def test_a_class_of_torch_gives_the_curve_of_our_own_rule_wherever_it_trains() -> None:
    """Places are fewer than trials, so that all are packed anew again and again."""
    rules = {
        "adam": Adam(lr=0.01),
        "Adam": TorchOptimizer(torch.optim.Adam, lr=0.01),
        "momentum": Momentum(lr=0.1, momentum=0.9),
        "SGD": TorchOptimizer(torch.optim.SGD, lr=0.1, momentum=0.9),
    }
    model = MLP(width=6, activation="tanh", dropout=0.2)
    experiment = varied(backend="torch", dtype="float64", optimizer=Choice(*rules.values()), model=model, epochs=4)
    params = [experiment.draw(FixedSuggest({"optimizer": name})) for name in (*rules, *rules)]
    trials = [Trial(number, 7, drawn) for number, drawn in enumerate(params)]
    arrivals = {0: [0, 1, 2], 1: [3, 4], 3: [5, 6, 7]}
    together = train(experiment, trials, population=3, arrivals=arrivals)
    for trial in trials:
        alone = train(experiment, [trial], population=1)[trial.number]
        found = together[trial.number].metric("val_loss")
        assert len(found) == 4
        assert found == pytest.approx(alone.metric("val_loss"), rel=1e-9)
        ours = 2 if trial.params["optimizer"] in ("momentum", "SGD") else 0
        assert found == pytest.approx(together[ours].metric("val_loss"), rel=1e-9)
    assert together[0].metric("val_loss") != pytest.approx(together[2].metric("val_loss"), rel=1e-3)
