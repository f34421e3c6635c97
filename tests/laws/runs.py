"""Train trials and keep their curves: what the laws compare, bit for bit."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits

from tunelab.contracts import Executor
from tunelab.data.split import Split, split
from tunelab.executors.inline import InlineExecutor
from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.plugins import listings, load
from tunelab.space import Choice, Float, Int
from tunelab.training.trainer import Job
from tunelab.trial import Ended, Orders, Progress, Report, Trial

OPTIMIZERS, SCHEDULES = (
    tuple(name for name, (first, *_) in listings(kind).items() if first.distribution == "tunelab")
    for kind in ("optimizer", "schedule")
)
"""tunelab's own: those of another distribution answer for themselves, and may train on one backend only."""


@dataclass
class Outcome:
    """What one trial left behind. A trial that had to start again reports early epochs twice; both must agree."""

    reports: dict[int, Report] = field(default_factory=dict)
    ended: Ended | None = None

    def add(self, report: Report) -> None:
        known = self.reports.setdefault(report.epoch, report)
        assert known == report, f"a second training reports otherwise: {known} and {report}"

    @property
    def curve(self) -> list[dict[str, Any]]:
        """Every number of every epoch, floats as hexadecimal text: equal means equal bits."""
        return [
            {"epoch": epoch, "step": report.step}
            | {name: float(value).hex() for name, value in sorted(report.metrics.items())}
            for epoch, report in sorted(self.reports.items())
        ]

    @property
    def end(self) -> tuple[Any, ...]:
        """How, where and why the trial ended."""
        assert self.ended is not None, "the trial never ended"
        return str(self.ended.state), self.ended.epoch, self.ended.step, self.ended.reason

    def metric(self, name: str) -> list[float]:
        return [report.metrics[name] for _, report in sorted(self.reports.items())]


@dataclass
class Run:
    """The progress of all rounds, in order."""

    progress: list[Progress]

    @cached_property
    def outcomes(self) -> dict[int, Outcome]:
        """What each trial left behind; no trial ends twice."""
        found: dict[int, Outcome] = {}
        for one in self.progress:
            for report in one.reports:
                found.setdefault(report.trial, Outcome()).add(report)
            for ended in one.ended:
                outcome = found.setdefault(ended.trial, Outcome())
                assert outcome.ended is None, f"trial {ended.trial} ended twice: {outcome.ended}, {ended}"
                outcome.ended = ended
        return found

    def __getitem__(self, trial: int) -> Outcome:
        return self.outcomes[trial]

    @property
    def largest(self) -> int:
        """The most members that ever trained together."""
        return max(one.members for one in self.progress)


def follow(executor: Executor, orders: Mapping[int, Orders], most: int = 20_000) -> Run:
    """Give each round its orders, then empty ones until every trial has ended."""
    found: list[Progress] = []
    wanted = {trial.number for given in orders.values() for trial in given.start}
    ended: set[int] = set()
    last = max(orders, default=0)
    while len(found) <= last or ended < wanted:
        assert len(found) < most, f"trials {sorted(wanted - ended)} never end"
        executor.send(orders.get(len(found), Orders()))
        found.append(executor.receive())
        ended |= {end.trial for end in found[-1].ended}
    return Run(found)


def train(
    experiment: Experiment,
    trials: Sequence[Trial],
    *,
    population: int | None = None,
    arrivals: Mapping[int, Sequence[int]] | None = None,
    stops: Mapping[int, Sequence[int]] | None = None,
) -> Run:
    """Train trials inline.

    Args:
        experiment: what they train.
        trials: who they are, in the order in which they are handed over.
        population: members that train together at most.
        arrivals: trial numbers by the round in which they are handed over; all in the first by default.
        stops: trial numbers by the round in which they are stopped.
    """
    arrivals = arrivals or {0: [trial.number for trial in trials]}
    stops = stops or {}
    by_number = {trial.number: trial for trial in trials}
    orders = {
        index: Orders(tuple(by_number[n] for n in arrivals.get(index, ())), tuple(stops.get(index, ())))
        for index in {*arrivals, *stops}
    }
    with InlineExecutor(job(experiment, population)) as executor:
        return follow(executor, orders)


def alone(experiment: Experiment, trials: Sequence[Trial]) -> dict[int, Outcome]:
    """Train each trial in an executor of its own, in a population of one."""
    return {trial.number: train(experiment, [trial], population=1)[trial.number] for trial in trials}


def job(experiment: Experiment, population: int | None = None) -> Job:
    return Job(experiment, rows_of(experiment), population)


def rows_of(experiment: Experiment) -> Split:
    """Return the rows that an experiment trains on."""
    if experiment.data is None:
        return Split.none()
    return split(experiment.data.load(), validation=experiment.validation, seed=experiment.split_seed)


class Dice:
    """Draws hyperparameters at random, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def number(self, name: str, within: Float | Int, *_: Any) -> float | int:
        return within.at(self._random.random()) if isinstance(within, Float) else self._random.choice(within.grid())

    def option(self, name: str, labels: tuple[Any, ...], *_: Any) -> Any:
        return self._random.choice(labels)


def drawn(experiment: Experiment, count: int, seed: int = 0, first: int = 0) -> list[Trial]:
    """Return trials whose hyperparameters are drawn at random from the experiment."""
    seeds = [1000 * seed + number for number in range(first, first + count)]
    return [Trial(first + n, one, experiment.draw(Dice(one))) for n, one in enumerate(seeds)]


def one_of_each(experiment: Experiment, seed: int = 0) -> list[Trial]:
    """Return a trial for every optimizer and every schedule that is installed, the rest drawn at random."""
    trials = []
    for n in range(max(len(OPTIMIZERS), len(SCHEDULES))):
        optimizer, schedule = OPTIMIZERS[n % len(OPTIMIZERS)], SCHEDULES[n % len(SCHEDULES)]
        fixed = experiment.model_copy(
            update={
                "optimizer": Choice(load("optimizer", optimizer).search()),
                "schedule": Choice(load("schedule", schedule).search()),
            }
        )
        trials.append(Trial(n, seed + n, fixed.draw(Dice(seed + n))))
    return trials


@cache
def classes(rows: int = 116) -> tuple[np.ndarray, np.ndarray]:
    """Return a few digits; 116 rows leave 93 to train on, which hardly any batch size divides."""
    x, y = load_digits(return_X_y=True)
    return x[:rows], y[:rows]


@cache
def values(rows: int = 116) -> tuple[np.ndarray, np.ndarray]:
    """Return a few rows of diabetes."""
    x, y = load_diabetes(return_X_y=True)
    return x[:rows], y[:rows]


def varied(**fields: Any) -> Experiment:
    """Return an experiment over digits that varies all that members of one population may differ in."""
    defaults: dict[str, Any] = {
        "name": "law",
        "data": classes(),
        "model": MLP(width=8),
        "optimizer": Choice(*OPTIMIZERS),
        "schedule": Choice(*SCHEDULES),
        "batch_size": 16,
        "epochs": Choice(1, 2, 3),
        "warmup": Choice(0.0, 0.1, 0.5),
        "weight_decay": Choice(0.0, 1e-3),
        "clip_norm": Choice(None, 0.5, 5.0),
    }
    return Experiment(**(defaults | fields))
