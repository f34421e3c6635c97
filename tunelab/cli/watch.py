"""Follows a study from the command line: shows its progress, and says what is kept when it does not end well."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tunelab.cli import STARTED
from tunelab.cli.outcome import json_line, print_kept
from tunelab.cli.progress import PlainLines, Progress, Scope
from tunelab.cli.stop_signal import StopSignal
from tunelab.errors import AllTrialsFailed, StorageLost, TooManyFailures, TrackingError, WorkerError
from tunelab.study.ledger import Snapshot
from tunelab.trial import State


class Watch:
    """Takes a study's snapshots, one a round.

    Attributes:
        last: the newest snapshot.
        shown: when it came, by the monotonic clock.
        first_trial_s: seconds from this process's start to the first complete trial.
    """

    def __init__(self, progress: Progress, stop: StopSignal) -> None:
        self.last: Snapshot | None = None
        self.shown = 0.0
        self.first_trial_s: float | None = None
        self._progress = progress
        self._stop = stop

    def __call__(self, snapshot: Snapshot) -> None:
        """Show the snapshot; raise `KeyboardInterrupt` if a signal came."""
        self.last, self.shown = snapshot, time.monotonic()
        if self.first_trial_s is None and snapshot.counts[State.COMPLETE]:
            self.first_trial_s = time.time() - STARTED
        self._progress.show(snapshot)
        self._stop.check(snapshot)


@contextmanager
def watching(scope: Scope, stop: StopSignal, folder: Path, *, as_json: bool) -> Iterator[Watch]:
    """Show a study's progress while it is open.

    Args:
        scope: what the study searches.
        stop: the signals that end it.
        folder: where studies are kept.
        as_json: print the JSON of one that failed too.
    """
    progress = _live_table(scope, stop) if sys.stderr.isatty() else PlainLines(scope)
    watch = Watch(progress, stop)
    try:
        with progress:
            yield watch
    except (AllTrialsFailed, TooManyFailures) as error:
        if as_json and error.study:
            typer.echo(json_line(error.study, STARTED, watch.first_trial_s))
        raise
    except (KeyboardInterrupt, OSError, StorageLost, WorkerError, TrackingError) as error:
        if watch.last is not None:
            print_kept(watch.last.later(time.monotonic() - watch.shown), scope, folder)
        for note in getattr(error, "__notes__", ()):
            typer.echo(f"note: {note}", err=True)
        raise


def _live_table(scope: Scope, stop: StopSignal) -> Progress:
    from tunelab.cli.live_table import LiveTable  # 50 ms that nobody owes who does not watch

    return LiveTable(scope, stop)
