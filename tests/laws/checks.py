"""The laws as functions that raise `AssertionError`: tests apply them, and mutations must make them raise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from laws.runs import Outcome, Run, alone, train
from tunelab.experiments import Experiment
from tunelab.trial import Trial


def same(expected: Mapping[int, Outcome], found: Run | Mapping[int, Outcome], numbers: Sequence[int]) -> None:
    """Two trainings of these trials agree in every bit of every curve, and in how they ended."""
    for number in numbers:
        one, other = expected[number], found[number]
        assert len(one.curve) == len(other.curve), f"trial {number}: {one.end} and {other.end}"
        for before, after in zip(one.curve, other.curve, strict=True):
            wrong = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
            assert not wrong, f"trial {number}, epoch {before['epoch']}: {wrong}"
        assert one.end == other.end, f"trial {number}"


def member_law(
    experiment: Experiment,
    trials: Sequence[Trial],
    population: int,
    arrivals: Mapping[int, Sequence[int]] | None = None,
    stops: Mapping[int, Sequence[int]] | None = None,
) -> Run:
    """Every trial trained alone gives the curve that it gives inside a population."""
    together = train(experiment, trials, population=population, arrivals=arrivals, stops=stops)
    assert together.largest > 1, "nobody trained together: the law was not put to the test"
    assert together.largest <= population
    stopped = {number for numbers in (stops or {}).values() for number in numbers}
    numbers = [trial.number for trial in trials if trial.number not in stopped]
    same(alone(experiment, trials), together, numbers)
    return together


def isolation_law(
    experiment: Experiment,
    bystanders: Sequence[Trial],
    troubled: Sequence[Trial],
    stops: Mapping[int, Sequence[int]] | None = None,
) -> Run:
    """Bystanders' curves are the same with and without trials that go wrong beside them."""
    everyone = sorted([*bystanders, *troubled], key=lambda trial: trial.number)
    beside = train(experiment, everyone, population=len(everyone), stops=stops)
    assert beside.progress[0].members == len(everyone), "they did not train together"
    same(alone(experiment, bystanders), beside, [trial.number for trial in bystanders])
    return beside


def order_law(experiment: Experiment, trials: Sequence[Trial], numbers: Sequence[int], population: int) -> None:
    """Trials under other numbers, handed over in another order, give the same curves under those numbers."""
    renumbered = [replace(trial, number=number) for trial, number in zip(trials, numbers, strict=True)]
    before = train(experiment, trials, population=population)
    after = train(experiment, renumbered, population=population)
    found = {trial.number: after[number] for trial, number in zip(trials, numbers, strict=True)}
    same(before.outcomes, found, [trial.number for trial in trials])
