"""The engine's side of the MLflow mirror: it appends to a spool, and another process does the rest."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from tunelab.contracts import Tracker
from tunelab.credentials import redacted
from tunelab.errors import TrackingError
from tunelab.tracking.known_events import KnownEvents
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.registered_name import check_registered_name
from tunelab.tracking.saved_view import comparison_path
from tunelab.tracking.spool import (
    SPOOL,
    EpochReported,
    Event,
    Spool,
    StudyBegan,
    StudyClosed,
    StudyFinished,
    TrialEnded,
    TrialStarted,
)
from tunelab.tracking.store_check import is_usable
from tunelab.tracking.study_uri import study_uri
from tunelab.tracking.tracking_uri import is_server
from tunelab.tracking.writer_process import WriterProcess
from tunelab.trial import Mirror, Report, State, StudyRecord, Summary, Trial

_GRACE = 2.0  # seconds that an interrupted study waits for its mirror


class MLflowTracker(Tracker):
    """Mirrors a study into MLflow: one parent run, one child run a trial, and a saved view that compares them.

    A call costs microseconds: it appends a line to `spool.jsonl` in the study's folder. What MLflow does not take at
    once, a dead server's outage included, is kept there until it does.

    Args:
        tracking_uri: as in `mlflow.set_tracking_uri`; `MLFLOW_TRACKING_URI`, or else `mlflow.db` in the working
            folder, where a plain `mlflow ui` looks. `MLFLOW_EXPERIMENT_NAME` and `MLFLOW_EXPERIMENT_ID` go
            before the experiment's own name.
    """

    keeps_models: ClassVar[bool] = True

    def __init__(self, tracking_uri: str | None = None) -> None:
        self._given = tracking_uri
        self._uri = ""
        self._folder = Path()
        self._tell: Callable[[int], None] = lambda _: None
        self._spool: Spool | None = None
        self._writer: WriterProcess | None = None
        self._known: KnownEvents

    def check_name(self, name: str) -> None:
        """Raise StoreError for a name that MLflow's registry refuses."""
        check_registered_name(name)

    def begin(self, study: StudyRecord, at: float) -> None:
        """Open the mirror; raise StoreError where it cannot be reached, at once or within 15 s."""
        self._uri = study_uri(study.folder, self._given)
        trusted = is_usable(self._uri)
        self._folder = study.folder
        study.folder.mkdir(parents=True, exist_ok=True)
        spool = study.folder / SPOOL
        self._known = KnownEvents(spool)
        if self._known.damaged:  # who goes on with a study says all of it again
            spool.replace(spool.with_name(f"{SPOOL}.damaged"))
            self._known = KnownEvents(spool)
        self._spool = Spool(spool)
        self._spool.append(StudyBegan(study, sys.argv[0], at))
        self._writer = WriterProcess(study.folder, self._uri)
        if not trusted:
            self._writer.wait_ready()

    def start(self, trial: Trial, at: float) -> None:
        """Say that a trial trains."""
        self._append(TrialStarted(trial, at))

    def report(self, report: Report, at: float) -> None:
        """Pass on one epoch of one trial."""
        self._append(EpochReported(report, at))

    def end(self, trial: int, state: State, value: float | None, reason: str | None, at: float) -> None:
        """Say how a trial ended."""
        self._append(TrialEnded(trial, state, value, reason, at))

    def watched_by(self, tell: Callable[[int], None]) -> None:
        """Be told whom `finish` tells now and then, while it waits, how many trials MLflow shows."""
        self._tell = tell

    def finish(self, summary: Summary, at: float) -> Mirror:
        """End the study, wait until MLflow shows all of it, and say where.

        Where nothing comes through for a minute, or at Ctrl-C, it waits no longer, and says what is to be sent later.

        Raises:
            TrackingError: MLflow refuses a part of it, and will again.
        """
        self._append(StudyFinished(summary, at))
        writer, self._writer = self._writer, None
        self._release()
        assert writer is not None  # or _append had raised
        why = writer.wait(self._tell)
        state = MirrorState.load(self._folder)
        if why:
            return _mirror(state, self._uri, self._waiting(why, state))
        if state.refused:
            listed = "; ".join(state.refused[:3])
            raise TrackingError(f"MLflow at {redacted(self._uri)} refuses {len(state.refused)} parts: {listed}")
        return _mirror(state, self._uri)

    def close(self) -> None:
        """Let go of a study that did not finish; its writer ends what is open as interrupted."""
        if self._writer is not None:
            self._append(StudyClosed(time.time()))
            self._writer.leave(_GRACE)
            self._writer = None
        self._release()

    def _append(self, event: Event) -> None:
        if self._spool is None or self._writer is None:
            raise RuntimeError("a tracker takes events between begin() and finish() only")
        if self._known.lacks(event):
            self._spool.append(event)
            self._writer.watch()

    def _waiting(self, why: str, state: MirrorState) -> str:
        """Return what is said of a study that MLflow does not show all of."""
        spool = self._folder / SPOOL
        with spool.open("rb") as file:
            file.seek(state.read)
            count = sum(1 for _ in file)
        where = f" --tracking-uri {shlex.quote(redacted(self._given))}" if self._given else ""
        return (
            f"MLflow at {redacted(self._uri)} does not show all of it yet ({why}): {count} events wait in {spool}, "
            f"and nothing is lost; when it answers: tunelab sync {shlex.quote(str(self._folder))}{where}"
        )

    def _release(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def _mirror(state: MirrorState, uri: str, incomplete: str | None = None) -> Mirror:
    path = comparison_path(state.experiment_id, state.run_id) if state.experiment_id and state.run_id else None
    url = redacted(uri).rstrip("/") + path if path and is_server(uri) else path
    notes = tuple(state.notes)
    return Mirror(state.experiment_id, state.run_id, dict(state.runs), url, state.registered, notes, incomplete)
