"""What is said of a study while it runs: its scope, and a plain line every few seconds where nobody draws a table."""

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from tunelab.study.ledger import Snapshot
from tunelab.trial import State, Value

EVERY = 5.0
"""Seconds between two plain lines."""


@dataclass(frozen=True)
class Scope:
    """What a study searches, and until when.

    Attributes:
        experiment: the experiment's name.
        objective: the metric that is optimised.
        searched: names of the hyperparameters that vary.
        timeout: in seconds.
    """

    experiment: str
    objective: str
    searched: tuple[str, ...]
    timeout: float | None


class Progress(Protocol):
    """Shows how far a study is."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def show(self, snapshot: Snapshot) -> None:
        """Take the newest snapshot; called after every round, so it must cost next to nothing."""


class PlainLines:
    """Prints a line to standard error at the start, every few seconds, and at the end.

    Args:
        scope: what the study searches, and until when.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._due = 0.0
        self._last: Snapshot | None = None
        self._waited: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._last is not None:
            print(line(self._last, self._scope), file=sys.stderr, flush=True)

    def show(self, snapshot: Snapshot) -> None:
        """Print, if a line is due."""
        if snapshot.shown is not None:
            self._wait(snapshot)
            return
        if self._last is None:
            print(f"{snapshot.study}: {to_go(snapshot)}", file=sys.stderr, flush=True)
            self._due = time.monotonic() + EVERY
        self._last = snapshot
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            print(line(snapshot, self._scope), file=sys.stderr, flush=True)

    def _wait(self, snapshot: Snapshot) -> None:
        if time.monotonic() >= self._due and snapshot.shown != self._waited:
            self._due, self._waited = time.monotonic() + EVERY, snapshot.shown
            print(f"{snapshot.study}: {waiting(snapshot)}; Ctrl-C loses nothing", file=sys.stderr, flush=True)


def to_go(snapshot: Snapshot) -> str:
    """Return how many trials are to come; of a study that goes on, out of how many."""
    if snapshot.total is None:
        return "many trials to go"
    left = snapshot.total - snapshot.done
    return f"{left} of {snapshot.total} trials to go" if snapshot.done else f"{left} trials to go"


def waiting(snapshot: Snapshot) -> str:
    """Return what is said while the tracker is waited for."""
    return f"waiting for MLflow: {snapshot.shown} of {snapshot.done} trials shown"


def line(snapshot: Snapshot, scope: Scope) -> str:
    """Return a snapshot as one line."""
    counts = [f"{count} {state}" for state, count in snapshot.counts.items() if count and state is not State.COMPLETE]
    best = f", best {scope.objective} {shown(snapshot.best.value)}" if snapshot.best else ""
    left = seconds_left(snapshot, scope)
    time_left = f", {left:.0f} s left" if left is not None else ""
    return (
        f"{snapshot.study}: {snapshot.done}/{snapshot.total or '?'} trials"
        f"{''.join(f', {count}' for count in counts)}, {snapshot.running} running, "
        f"{snapshot.rate:.1f} a second{best}, {snapshot.seconds:.0f} s{time_left}"
    )


def seconds_left(snapshot: Snapshot, scope: Scope) -> float | None:
    """Return how long the study will still take at the rate so far; None where that is not known."""
    ends = []
    if not snapshot.running + snapshot.waiting:
        return None
    if snapshot.total and snapshot.done:
        ends.append((snapshot.total - snapshot.done) / snapshot.rate)
    if scope.timeout is not None:
        ends.append(max(0.0, scope.timeout - snapshot.seconds))
    return min(ends, default=None)


def shown(value: Value) -> str:
    """Return a value for people: four digits of a real number.

    >>> shown(0.0271238), shown("adam")
    ('0.02712', 'adam')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
