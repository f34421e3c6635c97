"""Small studies, and parts that go wrong on purpose."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from pydantic import PositiveFloat, model_validator

from tunelab import Choice, Experiment, Float, Study
from tunelab.contracts import Array, Layer, LayerModel, Parameter, Rule, Tape
from tunelab.errors import PluginError
from tunelab.models import MLP, Quadratic, SoftmaxRegression
from tunelab.models.layers import Dense
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.study.engine import trial_seed
from tunelab.study.prepare import prepare
from tunelab.tracking.memory import MemoryTracker
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Orders, Result, State, Trial


def bowl(**fields: Any) -> Experiment:
    """A function of one number: a trial takes a millisecond."""
    plain: dict[str, Any] = {
        "name": "bowl",
        "model": Quadratic(),
        "optimizer": Choice(SGD, Momentum, Adam),
        "epochs": 3,
        "steps_per_epoch": 4,
    }
    return Experiment(**(plain | fields))


def calm_bowl() -> Experiment:
    """The same without a trial that may diverge, where few must not all do so."""
    return bowl(optimizer=Choice(SGD.search(lr=Float(1e-3, 0.1, log=True)), "adam"))


def flat_bowl(**fields: Any) -> Experiment:
    """The same without conditions, for samplers that know none."""
    rates = {"weight_decay": Float(1e-4, 1, log=True), "warmup": Float(0, 0.9)}
    return bowl(**({"optimizer": SGD.search(lr=Float(1e-4, 0.4, log=True))} | rates | fields))


def wine(**fields: Any) -> Experiment:
    """A small network on a small table."""
    plain: dict[str, Any] = {
        "name": "wine",
        "data": "wine",
        "model": MLP(width=8),
        "optimizer": Choice(SGD, Adam),
        "batch_size": Choice(16, 32),
        "epochs": 6,
        "maximize": "val_accuracy",
    }
    return Experiment(**(plain | fields))


def search(experiment: Experiment, folder: Path, **settings: Any) -> Study:
    """Run a study here, in memory."""
    plain = {"trials": 12, "executor": "inline", "tracker": MemoryTracker()}
    return experiment.run(**(plain | settings), folder=folder)


def story(study: Study) -> list[Any]:
    """Return all of a study that the clock has no part in."""
    return [(result.trial, result.state, result.value, result.reason, result.curves) for result in study.trials]


def held(folder: Path, name: str) -> list[FrozenTrial]:
    """Return the trials that Optuna's journal holds."""
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    return optuna.load_study(study_name=name, storage=storage).trials


def flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return Optuna's parameters under the names and in the sense that a reader knows them by."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        first, *_, last = [*name.split("."), ""] if "." not in name else name.split(".")
        field = last.removeprefix("one_minus_")
        found[f"{first}.{field}" if field else first] = 1 - value if field != last else value
    return found


def alone(experiment: Experiment, trial: Trial) -> dict[str, list[float]]:
    """Return a trial's curves when it trains with nobody else."""
    trainer = Trainer(Job(experiment, prepare(experiment)[0], population=1))
    orders, curves = Orders(start=(trial,)), {}
    while True:
        progress = trainer.round(orders)
        orders = Orders()
        for report in progress.reports:
            for name, value in report.metrics.items():
                curves.setdefault(name, []).append(value)
        if progress.ended:
            return curves


def curves_of(result: Result) -> dict[str, list[float]]:
    return {name: list(curve.values) for name, curve in result.curves.items()}


def in_state(study: Study, state: State) -> list[Result]:
    return [result for result in study.trials if result.state is state]


def seeds(study: Study, seed: int) -> Iterator[tuple[int, int]]:
    """Yield each trial's seed, and what it should be."""
    for result in study.trials:
        yield result.trial.seed, trial_seed(seed, result.trial.number)


class Raises(Layer):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raises) and other.where == self.where

    def __hash__(self) -> int:
        return hash(self.where)

    def parameters(self) -> tuple[Parameter, ...]:
        if self.where == "parameters":
            raise MemoryError("no room for the parameters")
        return ()

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        if self.where == "forward":
            raise RuntimeError("no way forward")
        return x

    def backward(
        self, xp: Any, dy: Array, params: Mapping[str, Array], grads: Mapping[str, Array], tape: Tape, wanted: bool
    ) -> Array:
        if self.where == "backward":
            raise FloatingPointError
        return dy


class Faulty(LayerModel):
    """A linear model with a fault."""

    where: str = "forward"

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        if self.where == "layers":
            raise ValueError("no such network")
        return (Dense(inputs, outputs), Raises(self.where))


class Sound(SoftmaxRegression):
    """A model without."""


class Brittle(Rule):
    """A rule that raises in its 31st step where the learning rate is high: its population starts again, apart."""

    lr: Annotated[PositiveFloat, Float(1e-3, 1, log=True)] = 0.1

    def scalars(self, hyper: Any, step: Array) -> Mapping[str, Array]:
        return {"lr": hyper.lr, "step": step}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Any, scratch: Array) -> None:
        if ((k.step == 31) & (k.lr > 0.1)).any():
            raise FloatingPointError("it broke in step 31")
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)


class Ordered(Rule):
    """A rule that refuses half of its own space, as cross-field checks do."""

    lr: Annotated[PositiveFloat, Float(1e-3, 1, log=True)] = 0.1
    least: Annotated[PositiveFloat, Float(1e-3, 1, log=True)] = 0.01

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.lr:
            raise PluginError("Ordered: least must not be above lr")
        return self

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Any, scratch: Array) -> None:
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
