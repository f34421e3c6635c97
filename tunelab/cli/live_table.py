"""How far a study is, as a table in the terminal that is drawn again four times a second."""

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.columns import Columns
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tunelab.cli.progress import Scope, seconds_left, shown, waiting
from tunelab.cli.stop_signal import StopSignal
from tunelab.study.ledger import Snapshot
from tunelab.trial import State

FRAMES = 4
"""Drawings a second."""

FIXED_LINES = 7
"""Lines above the best trial's parameters, and one free below."""

NARROW = 76
"""Columns below which counts that are 0 are left out."""


class LiveTable:
    """Draws the last snapshot that it was shown, until it is closed.

    Args:
        scope: what the study searches, and until when.
        stop: says whether the study is being stopped.
    """

    def __init__(self, scope: Scope, stop: StopSignal) -> None:
        self._scope = scope
        self._stop = stop
        self._last: Snapshot | None = None
        self._shown = 0.0
        self._live = Live(
            console=Console(stderr=True),
            get_renderable=self._draw,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what a loop prints in this very process; JSON in a pipe stays there
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Take what the next drawing shows."""
        self._last, self._shown = snapshot, time.monotonic()

    def _draw(self) -> RenderableType:
        if self._last is None:
            return Text(f"{self._scope.experiment}: starting")
        stopping = "stopping; Ctrl-C again stops at once" if self._stop.number is not None else ""
        now = self._last.later(time.monotonic() - self._shown)  # a round may take minutes, and the clock must not stand
        return draw(now, self._scope, self._live.console.size, stopping)


def draw(snapshot: Snapshot, scope: Scope, size: ConsoleDimensions, stopping: str = "") -> RenderableType:
    """Return the table of a snapshot, fitted into a terminal of this size."""
    counts = _counts(snapshot, narrow=size.width < NARROW)
    room = max(1, size.height - FIXED_LINES)
    return Group(_header(snapshot, scope, stopping), Text(), counts, Text(), *_best(snapshot, scope, room))


def _header(snapshot: Snapshot, scope: Scope, stopping: str) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    for _ in range(2):
        grid.add_column(no_wrap=True)
    total = snapshot.total or snapshot.done + snapshot.running + snapshot.waiting
    bar = ProgressBar(total=total or 1, completed=snapshot.done)
    left = seconds_left(snapshot, scope)
    if stopping:
        state = stopping
    elif not snapshot.running + snapshot.waiting:
        state = "completing MLflow" if snapshot.shown is None else waiting(snapshot)
    else:
        state = f"{_clock(snapshot.seconds)}{'' if left is None else f', {_clock(left)} left'}"
    grid.add_row(Text(snapshot.study, style="bold"), bar, f"{snapshot.done}/{total}", state)
    return grid


def _counts(snapshot: Snapshot, *, narrow: bool) -> Table:
    counts = snapshot.counts
    cells = {
        "complete": (counts[State.COMPLETE], "green"),
        "pruned": (counts[State.PRUNED], "default"),
        "diverged": (counts[State.DIVERGED], "yellow"),
        "failed": (counts[State.FAILED] + counts[State.INTERRUPTED], "red"),
        "running": (snapshot.running, "default"),
        "waiting": (snapshot.waiting, "default"),
        "trials/s": (f"{snapshot.rate:.1f}", "default"),
        "members": (_members(snapshot), "default"),
    }
    if narrow:
        cells = {name: cell for name, cell in cells.items() if cell[0] != 0}
    table = Table.grid(padding=(0, 2))
    for _ in cells:
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(Text(name, style="dim") for name in cells))
    table.add_row(*(Text(str(shown), style=style if shown else "dim") for shown, style in cells.values()))
    return table


def _members(snapshot: Snapshot) -> str:
    """Return how many members train together on average, and how many places there are for them."""
    places = snapshot.sharing / snapshot.fullness if snapshot.fullness else 0.0
    return f"{snapshot.sharing:.0f}/{places:.0f}"


def _best(snapshot: Snapshot, scope: Scope, room: int) -> list[RenderableType]:
    if snapshot.best is None:
        return [Text(f"best {scope.objective}: no trial is complete yet", style="dim")]
    best = snapshot.best
    value, trial = shown(best.value), best.trial
    heading = Text.assemble(
        ("best ", "dim"), f"{scope.objective} ", (value, "bold green"), (f"  trial {trial.number}", "dim")
    )
    params = {name: shown(trial.params[name]) for name in scope.searched if name in trial.params}
    if len(params) > room:
        pairs = [Text.assemble((name, "dim"), f" {value}") for name, value in params.items()]
        return [heading, Columns(pairs, padding=(0, 2))]
    grid = Table.grid(padding=(0, 2))
    for name, value in params.items():
        grid.add_row(Text(f"  {name}", style="dim"), value)
    return [heading, grid]


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")
