"""What is known of every trial of a study so far."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunelab.trial import Curve, Report, Result, State, Trial

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a study is.

    Attributes:
        study: its name.
        total: trials asked for; None without a limit.
        counts: ended trials by state.
        running: trials that have a place.
        waiting: trials that wait for one.
        best: the best complete trial so far.
        seconds: since the study began.
        fullness: members that trained, as a fraction of the places there were.
        sharing: members that trained together, on average over rounds weighted by their time.
        shown: trials that the tracker shows, while it is waited for at the end; None before.
    """

    study: str
    total: int | None
    counts: dict[State, int]
    running: int
    waiting: int
    best: Result | None
    seconds: float
    fullness: float
    sharing: float
    shown: int | None = None

    @property
    def done(self) -> int:
        """Trials that ended."""
        return sum(self.counts.values())

    @property
    def rate(self) -> float:
        """Trials a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def later(self, seconds: float) -> "Snapshot":
        """Return the same so many seconds later, if nothing has happened since."""
        return replace(self, seconds=self.seconds + seconds)


@dataclass(slots=True)
class _Open:
    trial: Trial
    started: float
    reports: list[Report]
    running: bool = False


class Ledger:
    """Follows trials from ask to end.

    Args:
        study: its name.
        objective: the metric whose last value is a trial's value.
        maximize: whether more is better.

    Attributes:
        now: the clock.
    """

    def __init__(self, study: str, objective: str, *, maximize: bool) -> None:
        self._study = study
        self.results: dict[int, Result] = {}
        self.best: Result | None = None
        self.now: Callable[[], float] = time.time
        self.began = time.time()
        self.first_seconds: float | None = None
        self._objective = objective
        self._sign = 1 if maximize else -1
        self._open: dict[int, _Open] = {}
        self._counts: Counter[State] = Counter()
        self._busy = self._places = self._seconds = 0.0

    @property
    def in_flight(self) -> int:
        """Trials asked for that have not ended."""
        return len(self._open)

    @property
    def open_trials(self) -> list[Trial]:
        """Those trials, oldest first."""
        return [entry.trial for entry in self._open.values()]

    @property
    def waiting_trials(self) -> list[Trial]:
        """Those of them that have no place yet, oldest first."""
        return [entry.trial for entry in self._open.values() if not entry.running]

    def open_trial(self, number: int) -> Trial:
        """Return a trial that has not ended."""
        return self._open[number].trial

    def add(self, trial: Trial) -> None:
        """Note a trial that was asked for."""
        self._open[trial.number] = _Open(trial, self.now(), [])

    def begin(self, number: int) -> Trial | None:
        """Note that a trial has a place; return it unless it had begun before."""
        entry = self._open.get(number)
        if entry is None or entry.running:
            return None
        entry.running, entry.started = True, self.now()
        return entry.trial

    def report(self, report: Report) -> bool:
        """Note an epoch; return whether it is news (a trial that starts again repeats itself)."""
        entry = self._open.get(report.trial)
        if entry is None or (entry.reports and report.epoch <= entry.reports[-1].epoch):
            return False
        entry.reports.append(report)
        return True

    def end(self, number: int, state: State, reason: str | None) -> Result | None:
        """Note a trial's end and return its result; None if it had ended before."""
        entry = self._open.pop(number, None)
        if entry is None:
            return None
        curves = _curves(entry.reports)
        value = curves[self._objective].values[-1] if state is State.COMPLETE else None
        seconds = self.now() - entry.started
        result = Result(entry.trial, state, value, reason, curves, entry.started, seconds)
        self.results[number] = result
        self._counts[state] += 1
        if self.first_seconds is None:
            self.first_seconds = self.now() - self.began
        if value is not None and (self.best is None or self._sign * value > self._rank(self.best)):
            self.best = result
        return result

    def take_back(self, number: int, reason: str) -> None:
        """Note that a trial's end could not be stored: it counts as interrupted, and is not the best."""
        result = self.results[number]
        self.results[number] = replace(result, state=State.INTERRUPTED, value=None, reason=reason)
        self._counts.update({result.state: -1, State.INTERRUPTED: 1})
        left = [each for each in self.results.values() if each.value is not None]
        self.best = max(left, key=self._rank, default=None)

    def _rank(self, result: Result) -> float:
        assert result.value is not None
        return self._sign * result.value

    def count(self, members: int, capacity: int, seconds: float) -> None:
        """Note how full a population was in one round."""
        self._busy += members * seconds
        self._places += capacity * seconds
        self._seconds += seconds

    def snapshot(self, total: int | None) -> Snapshot:
        """Return how far the study is."""
        running = sum(entry.running for entry in self._open.values())
        return Snapshot(
            study=self._study,
            total=total,
            counts={state: self._counts[state] for state in State},
            running=running,
            waiting=len(self._open) - running,
            best=self.best,
            seconds=self.now() - self.began,
            fullness=self._busy / self._places if self._places else 0.0,
            sharing=self._busy / self._seconds if self._seconds else 0.0,
        )


def _curves(reports: list[Report]) -> dict[str, Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for report in reports:
        for name, value in report.metrics.items():
            points.setdefault(name, []).append((report.epoch, value))
    return {name: Curve(*zip(*found, strict=True)) for name, found in points.items()}
