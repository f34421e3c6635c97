"""Train members and keep their state after every epoch; compare such traces bit for bit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunelab.testing.entrant import Entrant
from tunelab.testing.problem import Problem
from tunelab.training.member import Member
from tunelab.trial import Ended, Report


@dataclass(frozen=True)
class Moment:
    """A member's state after one epoch.

    Attributes:
        step: optimizer steps so far.
        slots: names of the slots.
        arrays: `theta`, every slot, and what is evaluated where that is not theta, by name; `(n,)` each.
        metrics: what was reported.
    """

    step: int
    slots: tuple[str, ...]
    arrays: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]


@dataclass
class Trace:
    """One member's training, moment by moment from its initial state on, and why it ended early if it did."""

    moments: list[Moment] = field(default_factory=list)
    lost: str | None = None

    def __getitem__(self, index: int) -> Moment:
        return self.moments[index]


def train(
    problem: Problem, entrants: Sequence[Entrant], between: Callable[[Member], Member] = lambda member: member
) -> dict[int, Trace]:
    """Train new members together until each has ended; return their traces by number.

    After every epoch all members are taken out, looked at, and put back as what `between` makes of them.
    """
    population = problem.population(entrants)
    found = {member.trial.number: Trace([_moment(member, {})]) for member in population.members}
    while population.members:
        metrics: dict[int, Mapping[str, float]] = {}
        for event in population.epoch():
            if isinstance(event, Report):
                metrics[event.trial] = event.metrics
            else:
                found[event.trial].lost = event.reason
        members = population.release(lambda member: True)
        for member in members:
            found[member.trial.number].moments.append(_moment(member, metrics[member.trial.number]))
        population.admit([between(member) for member in members if not member.finished])
    return found


def left_in_peace(problem: Problem, entrants: Sequence[Entrant]) -> dict[int, Trace]:
    """Train new members together without ever taking one out; the traces hold what they ended with."""
    population = problem.population(entrants)
    found = {member.trial.number: Trace() for member in population.members}
    while population.members:
        events = list(population.epoch())
        last = {event.trial: event.metrics for event in events if isinstance(event, Report)}
        for event in events:
            if isinstance(event, Ended):
                found[event.trial].lost = event.reason
        for member in population.release(lambda member: member.finished):
            found[member.trial.number].moments.append(_moment(member, last[member.trial.number]))
    return found


def _moment(member: Member, metrics: Mapping[str, float]) -> Moment:
    arrays = {"theta": member.theta} | {f"slot {name!r}": slot for name, slot in member.slots.items()}
    if member.result is not None:
        arrays["the evaluated parameters"] = member.result
    return Moment(member.step, tuple(member.slots), {name: values.copy() for name, values in arrays.items()}, metrics)


def require_same(expected: Trace, found: Trace, who: Entrant, saying: str, contract: str) -> None:
    """Raise `AssertionError` unless two traces have the same bits.

    Args:
        expected, found: the traces.
        who: whose they are.
        saying: what was found, such as "trains otherwise in company than alone".
        contract: what the contract says of it.
    """
    for before, after in zip(expected.moments, found.moments, strict=False):
        told = _difference(before, after)
        assert not told, f"{who} {saying}: after step {after.step}, {told}.\n{contract}"
    lengths = [len(trace.moments) for trace in (expected, found)]
    assert lengths[0] == lengths[1], f"{who} {saying}: it ended early ({expected.lost or found.lost}).\n{contract}"


def _difference(before: Moment, after: Moment) -> str:
    for name, values in before.arrays.items():
        told = _first_difference(name, values, after.arrays[name])
        if told:
            return told
    for name, value in before.metrics.items():
        if value.hex() != after.metrics[name].hex():
            return f"{name} is {after.metrics[name]!r} in place of {value!r}"
    return ""


def _first_difference(name: str, expected: np.ndarray, found: np.ndarray) -> str:
    if expected.tobytes() == found.tobytes():
        return ""
    wrong = np.flatnonzero((expected != found) & ~(np.isnan(expected) & np.isnan(found)))
    if not len(wrong):
        return ""  # 0.0 and -0.0, or another NaN
    first = wrong[0]
    return (
        f"{name}[{first}] is {found[first]!r} in place of {expected[first]!r}, "
        f"and {len(wrong)} of {len(found)} numbers differ"
    )
