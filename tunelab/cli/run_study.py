"""`tunelab run`: loads an experiment, searches it, and shows how far it is."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import typer

from tunelab.cli import STARTED
from tunelab.cli.load_experiment import load_experiment
from tunelab.cli.outcome import json_line, print_kept, print_study
from tunelab.cli.progress import PlainLines, Progress, Scope
from tunelab.cli.stop_signal import StopSignal
from tunelab.errors import RunError
from tunelab.experiment import Experiment
from tunelab.study.ledger import Snapshot
from tunelab.study.run import run
from tunelab.study.suggest import searched
from tunelab.trial import State


class _Watch:
    """Takes a study's snapshots: shows them, notes the first complete trial, and lets a signal stop the study."""

    def __init__(self, stop: StopSignal, show: Callable[[Snapshot], None]) -> None:
        self.last: Snapshot | None = None
        self.first_trial_s: float | None = None
        self._stop = stop
        self._show = show

    def __call__(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        if self.first_trial_s is None and snapshot.counts[State.COMPLETE]:
            self.first_trial_s = time.time() - STARTED
        self._show(snapshot)
        self._stop.check(snapshot)


def run_study(
    spec: str,
    *,
    trials: int,
    timeout: float | None,
    backend: str | None,
    folder: Path,
    tracking_uri: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    experiment, file = load_experiment(spec)
    if backend is not None:
        experiment = Experiment(**dict(experiment) | {"backend": backend})
    scope = Scope(experiment.name, experiment.objective, searched(experiment), trials, timeout)
    with StopSignal() as stop:
        try:
            with _progress(scope, stop) as progress:
                watch = _Watch(stop, progress.show)
                study = run(experiment)
        except KeyboardInterrupt:
            ...
