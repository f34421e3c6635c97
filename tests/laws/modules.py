"""Experiments over modules, what is left of their trials, and the loop that PyTorch's users write by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isfunction
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from laws.runs import Run, drawn, follow
from tunelab import Choice, Experiment, Float
from tunelab.contracts import Dataset, Executor, Table
from tunelab.data import TorchData
from tunelab.data.split import Split, split
from tunelab.models import TorchModel
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.study.prepare import prepare
from tunelab.training.member import Member
from tunelab.training.population import Population
from tunelab.training.streams import Purpose, stream
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Ended, Orders, Progress, Report, Trial

Kind = Literal["flat", "images", "line", "volume", "text", "values", "two"]
SHAPES: Mapping[str, tuple[int, ...]] = {
    "images": (1, 8, 8),
    "line": (8, 8),
    "volume": (1, 4, 4, 4),
    "text": (16,),
}


class Rows(Dataset):
    """A few digits, in as many shapes as modules take; 60 leave 48 to train on, which 10 does not divide."""

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "none"
    kind: Kind = "flat"
    count: int = 60

    def load(self) -> Table:
        pixels, labels = load_digits(return_X_y=True)
        pixels, labels = pixels[: self.count], labels[: self.count].astype(np.int64)
        ten, x = tuple(map(str, range(10))), pixels / 16
        if self.kind == "text":
            return Table(pixels[:, 24:40], labels, "classes", ten, shape=SHAPES["text"], symbols=17)
        if self.kind == "values":
            return Table(x, np.stack([x.sum(1), x[:, 20]], 1), "values")
        if self.kind == "two":
            return Table(x, labels % 2, "classes", ("even", "odd"))
        return Table(x, labels, "classes", ten, shape=SHAPES.get(self.kind, ()))


RULES = Choice(
    SGD.search(lr=Float(0.01, 0.1, log=True)),
    Momentum.search(lr=Float(0.01, 0.05, log=True), momentum=0.9, dampening=0.0),
    Adam.search(lr=Float(1e-3, 1e-2, log=True), beta1=0.9, beta2=0.999, eps=1e-8),
)


def experiment(build: Any, kind: Kind = "flat", count: int = 60, **fields: Any) -> Experiment:
    """Return an experiment over modules that a function makes; the function's own parameters may be searched."""
    plain: dict[str, Any] = {
        "name": "module",
        "data": Rows(kind=kind, count=count),
        "model": TorchModel.search(build) if isfunction(build) else build,
        "optimizer": RULES,
        "batch_size": 10,
        "epochs": 2,
        "backend": "torch",
    }
    return Experiment(**(plain | fields))


def rows_of(made: Experiment) -> Any:
    if isinstance(made.data, TorchData):
        return prepare(made)[0]
    return split(made.data.load(), seed=made.split_seed, scale="none")


@dataclass
class Left:
    """What trials left behind: their reports and ends, the members themselves, and what is to be said."""

    run: Run
    members: dict[int, Member]

    @property
    def notes(self) -> list[str]:
        return [note for progress in self.run.progress for note in progress.notes]

    def losses(self, trial: int) -> list[float]:
        return [v for name in ("train_loss", "val_loss") for v in self.run[trial].metric(name)]


class Keeping(Trainer):
    """Keeps the members that finish."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.kept: dict[int, Member] = {}

    def _finish(self, population: Population, reports: tuple[Report, ...]) -> Any:
        self.kept |= {member.trial.number: member for member in population.members if member.finished}
        return super()._finish(population, reports)


class Inline(Executor):
    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._orders = trainer, list[Orders]()

    def send(self, orders: Orders) -> None:
        self._orders.append(orders)

    def receive(self) -> Progress:
        return self._trainer.round(self._orders.pop(0))

    def close(self) -> None:
        """Nothing is open."""


def trained(made: Experiment, trials: Sequence[Trial], population: int | None = None) -> Left:
    """Train trials together, as many as may."""
    trainer = Keeping(Job(made, rows_of(made), population))
    try:
        return Left(follow(Inline(trainer), {0: Orders(tuple(trials))}), trainer.kept)
    finally:
        trainer.close()


def close_law(made: Experiment, count: int = 3, *, seed: int = 0, tolerance: float | None = None) -> Left:
    """Members that train together end with the losses, parameters and buffers of each alone."""
    trials = drawn(made, count, seed)
    together = trained(made, trials, count)
    assert together.notes == []
    assert together.run.largest == count, "nobody trained together: the law was not put to the test"
    close = tolerance or {"float32": 1e-5, "float64": 1e-9}[made.dtype]
    for trial in trials:
        same(trained(made, [trial], 1), together, trial.number, close)
    return together


def same(expected: Left, found: Left, trial: int, close: float) -> None:
    assert expected.run[trial].end == found.run[trial].end
    assert expected.run[trial].end[0] == "complete", expected.run[trial].end
    np.testing.assert_allclose(found.losses(trial), expected.losses(trial), rtol=close, err_msg=f"trial {trial}")
    one, other = expected.members[trial], found.members[trial]
    near(other.theta, one.theta, close)
    assert one.buffers.keys() == other.buffers.keys()
    for name, values in one.buffers.items():
        near(other.buffers[name], values, close)


def near(found: torch.Tensor, expected: torch.Tensor, close: float) -> None:
    assert found.dtype == expected.dtype
    if not expected.is_floating_point():
        assert torch.equal(found, expected)
    elif expected.numel():
        scale = max(1.0, float(expected.abs().max()))
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=10 * close * scale)


@dataclass
class ByHand:
    """What a loop by hand leaves."""

    module: nn.Module
    train_losses: list[float]
    val_losses: list[float]


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "adam": torch.optim.Adam,
}


def by_hand(
    made: Experiment, trial: Trial, build: Callable[[], nn.Module], loss: Any = functional.cross_entropy
) -> ByHand:
    """Train one module with torch.optim: the same initial values and the same batches as the trial's."""
    parts = rows_of(made)
    torch.manual_seed(trial.seed)
    module = build().to(getattr(torch, made.dtype))
    rule = made.configure(dict(trial.params)).optimizer.rule
    options = {"lr": rule.lr} | ({"momentum": rule.momentum} if isinstance(rule, Momentum) else {})
    optimizer = OPTIMIZERS[str(trial.params["optimizer"])](module.parameters(), **options)
    x, y = tensors(parts, "train", made)
    found = ByHand(module, [], [])
    for epoch in range(int(trial.params["epochs"])):
        order = torch.from_numpy(stream(trial.seed, Purpose.ORDER, epoch).permutation(len(x)))
        module.train()
        for index in order.split(int(trial.params["batch_size"])):
            optimizer.zero_grad()
            loss(module(x[index]), y[index]).backward()
            optimizer.step()
        module.eval()
        with torch.no_grad():
            found.train_losses.append(float(loss(module(x), y)))
            rows, targets = tensors(parts, "validation", made)
            found.val_losses.append(float(loss(module(rows), targets)))
    return found


def tensors(parts: Split, part: str, made: Experiment) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(getattr(parts, f"x_{part}")).to(getattr(torch, made.dtype)).view(-1, *parts.inputs.shape)
    y = torch.from_numpy(getattr(parts, f"y_{part}"))
    return (x.long() if parts.inputs.symbols else x), (y if y.dtype == torch.int64 else y.to(x.dtype))


def ended(left: Left, trial: int = 0) -> Ended:
    found = left.run[trial].ended
    assert found is not None
    return found
