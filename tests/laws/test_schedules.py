"""Schedules in whole trainings: with a memory, and with schedules inside them, members are still on their own."""

from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from laws.checks import isolation_law, member_law, order_law, same
from laws.reference import curve
from laws.runs import alone, drawn, train, varied
from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.optimizers import SGD
from tunelab.schedules import (
    REX,
    SGDR,
    WSD,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    ReduceOnPlateau,
    Step,
    Then,
    Triangular,
    Triangular2,
)
from tunelab.space import Choice, Float
from tunelab.trial import Trial

PLATEAU = ReduceOnPlateau.search(
    gamma=Float(0.1, 0.9), patience=Choice(0, 1), cooldown=Choice(0, 1), threshold=Float(0.0, 0.3)
)
SEARCHES: dict[str, Any] = {
    "multi-step": MultiStep.search(),
    "sgdr": SGDR.search(mult=Float(1, 3), final=Float(0, 1)),
    "one-cycle": OneCycle.search(start=Float(0, 1), final=Float(0, 1)),
    "triangular": Triangular.search(low=Float(0, 1)),
    "triangular2": Triangular2.search(low=Float(0, 1)),
    "wsd": WSD.search(shape=Choice("linear", "1-sqrt"), final=Float(0, 1)),
    "inverse-sqrt": InverseSqrt.search(warmup=Float(0.01, 1)),
    "rex": REX(),
    "piecewise": Piecewise.search(shape=Choice("constant", "linear")),
    "reduce-on-plateau": PLATEAU,
    "then": Then.search(first=Cosine.search(final=Float(0, 1)), second=Linear.search(final=Float(0, 1))),
    "then, any": Then.search(
        first=Choice(SGDR.search(), Then.search(first=Triangular.search(), scale=Float(0, 1))),
        second=Choice(WSD.search(decay=Float(0.1, 1)), OneCycle.search(), Constant()),
        scale=Float(0, 1),
    ),
}
each_search = pytest.mark.parametrize("name", SEARCHES)


def experiment_of(schedule: Any, **fields: Any) -> Experiment:
    """Return an experiment whose trainings differ in length and whose loss goes up now and then."""
    optimizer = Choice(SGD.search(lr=Float(0.1, 3.0, log=True)), "adam")
    return varied(**({"schedule": schedule, "optimizer": optimizer, "epochs": Choice(2, 4, 7)} | fields))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_search
def test_the_member_law(name: str, dtype: str) -> None:
    experiment = experiment_of(SEARCHES[name], dtype=dtype)
    member_law(experiment, drawn(experiment, 9, seed=1), population=5)


@pytest.mark.parametrize("steps", [1, 3])
@each_search
def test_the_member_law_on_a_function(name: str, steps: int) -> None:
    experiment = experiment_of(SEARCHES[name], model="rosenbrock", data=None, steps_per_epoch=steps)
    member_law(experiment, drawn(experiment, 9, seed=2), population=9)


def test_the_member_law_of_all_at_once_with_members_that_come_and_go() -> None:
    experiment = experiment_of(Choice(*SEARCHES.values(), "cosine", "constant"))
    trials = drawn(experiment, 30, seed=3)
    arrivals = {0: range(4), 1: range(4, 5), 2: range(5, 14), 5: range(14, 30)}
    member_law(experiment, trials, 7, arrivals, stops={3: [1, 6]})


def test_the_order_law_of_schedules_that_remember() -> None:
    experiment = experiment_of(PLATEAU)
    order_law(experiment, drawn(experiment, 5, seed=4), [3, 1, 4, 0, 2], population=3)


def test_the_isolation_law_of_schedules_that_remember() -> None:
    experiment = experiment_of(PLATEAU, epochs=6)
    trials = drawn(experiment, 5, seed=5)
    isolation_law(experiment, trials[1:], trials[:1], stops={2: [0]})


@pytest.mark.parametrize("seed", range(3))
def test_twice_is_the_same(seed: int) -> None:
    experiment = experiment_of(Choice(PLATEAU, SEARCHES["then, any"]))
    trials = drawn(experiment, 6, seed=seed)
    same(train(experiment, trials).outcomes, train(experiment, trials), range(6))


def plateau_experiment(metric: str) -> tuple[Experiment, ReduceOnPlateau]:
    schedule = ReduceOnPlateau(
        gamma=0.5, patience=0, cooldown=1, threshold=0.1, metric=metric, mode="max" if "accuracy" in metric else "min"
    )
    fixed = {"model": MLP(width=6, activation="tanh"), "epochs": 12, "dtype": "float64", "optimizer": SGD(lr=2.5)}
    off = {"weight_decay": 0.0, "clip_norm": None, "warmup": 0.25}
    return varied(schedule=schedule, **fixed, **off), schedule


class Follower:
    """Torch's scheduler, told each epoch's metric, as the factor of a training by hand: asked once a step."""

    def __init__(self, schedule: ReduceOnPlateau, metrics: list[float], steps: int) -> None:
        optimizer: Any = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        fields = {name: getattr(schedule, name) for name in ("mode", "patience", "threshold", "cooldown")}
        scheduler = ReduceLROnPlateau(optimizer, factor=schedule.gamma, eps=0, **fields)
        self.levels = [1.0]
        for value in metrics:
            scheduler.step(value)
            self.levels.append(optimizer.param_groups[0]["lr"])
        self._steps, self._asked = steps, 0

    def __call__(self, step: int, total: int) -> float:
        self._asked += 1
        return self.levels[(self._asked - 1) // self._steps]


@pytest.mark.parametrize("metric", ["train_loss", "val_loss", "val_accuracy"])
def test_reduce_on_plateau_equals_torch_in_a_whole_training(metric: str) -> None:
    experiment, schedule = plateau_experiment(metric)
    trial = Trial(0, 7, {"batch_size": 16, "epochs": 12})
    found = train(experiment, [trial], population=1)[0]
    steps = next(iter(found.reports.values())).step
    follower = Follower(schedule, found.metric(metric), steps)
    assert len(set(follower.levels)) > 2, "it hardly fell: little was compared"
    wanted = curve(experiment, trial, lambda tensors: torch.optim.SGD(tensors, lr=2.5), follower)
    for name in wanted[0]:
        assert found.metric(name) == pytest.approx([one[name] for one in wanted], rel=1e-9), name


def test_a_metric_that_is_not_there_fails_its_own_trial_only() -> None:
    experiment = experiment_of(Choice("cosine", ReduceOnPlateau(metric="val_f1")), epochs=2, optimizer="sgd")
    trials = drawn(experiment, 8, seed=6)
    run = train(experiment, trials, population=8)
    for trial in trials:
        state, *_, reason = run[trial.number].end
        plain = trial.params["schedule"] == "cosine"
        assert state == ("complete" if plain else "failed")
        assert plain or "this training has no metric 'val_f1'" in reason


def test_one_memory_for_all_breaks_the_member_law(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = experiment_of(PLATEAU, epochs=7, optimizer=SGD.search(lr=Float(1.0, 3.0)))
    trials = drawn(experiment, 5, seed=1)
    member_law(experiment, trials, population=5)
    memory: dict[str, float] = {}
    observe, fresh = ReduceOnPlateau.observe, ReduceOnPlateau().memory()
    monkeypatch.setattr(ReduceOnPlateau, "memory", lambda self: memory or fresh)

    def shared(self: ReduceOnPlateau, _: Any, metrics: Any) -> Any:
        memory.update(observe(self, memory or self.memory(), metrics))
        return memory

    monkeypatch.setattr(ReduceOnPlateau, "observe", shared)
    with pytest.raises(AssertionError):
        member_law(experiment, trials, population=5)


def test_the_hyperparameters_of_parts_reach_each_member() -> None:
    node = Then.search(
        first=Step.search(gamma=Float(0.1, 0.9), every=0.5), second=Exponential.search(), at=Float(0.3, 0.6)
    )
    experiment = experiment_of(node, optimizer=SGD(lr=0.01), epochs=10, warmup=0.0)
    trials = drawn(experiment, 4, seed=8)
    assert {"schedule.first.gamma", "schedule.second.final", "schedule.at"} <= set(trials[0].params)
    found = train(experiment, trials, population=4)
    assert len({tuple(found[trial.number].metric("lr")) for trial in trials}) == 4
    same(alone(experiment, trials), found, range(4))
