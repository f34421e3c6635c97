"""A study in MLflow, brought up to date line by line of its spool."""

from pathlib import Path

from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.mlflow_patience import Patience
from tunelab.tracking.mlflow_reconcile import reconcile
from tunelab.tracking.mlflow_store import analyze, open_store
from tunelab.tracking.mlflow_study import StudyRun
from tunelab.tracking.mlflow_trials import TrialRuns
from tunelab.tracking.spool import (
    EpochReported,
    Line,
    StudyBegan,
    StudyClosed,
    StudyFinished,
    TrialEnded,
    TrialStarted,
)
from tunelab.tracking.told import Told
from tunelab.trial import State

_MOST_CURVES = 6  # charts of curves in the saved view: a screen holds no more
_NOT_CURVES = frozenset({"lr", "seconds"})


class StudyMirror:
    """The parent run and the children of one study, and the order in which things happen to them.

    Args:
        uri: the tracking URI.
        patience: how long a store may be silent.
        state: how far an earlier writer came; kept up to date.
        began: the spool's first event.
    """

    def __init__(self, uri: str, patience: Patience, state: MirrorState, began: StudyBegan) -> None:
        self._uri = uri
        self._patience = patience
        self._state = state
        self._noted = 0
        self._at = began.at
        self._client = patience(open_store, uri)
        self._study = StudyRun(self._client, patience, state, began)
        self._lost = patience.lost - self._study.open()
        self._trials = TrialRuns(self._client, patience, state, began.study, tags=self._study.child_tags)

    @property
    def in_doubt(self) -> bool:
        """Whether MLflow may hold what is not noted: another writer was here, or a request had no answer."""
        return self._patience.lost > self._lost

    def reconcile(self, spool: Path, *, thorough: bool = False) -> None:
        """Compare MLflow with the spool, and correct the state, so that what differs is taken once more.

        Args:
            spool: the file.
            thorough: count every point of every metric.
        """
        lost = self._patience.lost
        told = Told(spool)
        self._study.delete_doubles()
        self._trials.settle(reconcile(self._client, self._patience, self._state, told, thorough=thorough), told.stop)
        self._trials.metric_names.update(dict.fromkeys(told.metric_names))
        self._noted, self._at, self._lost = self._state.read, told.at, lost

    def take(self, line: Line) -> None:
        """Mirror one line of the spool."""
        event = line.event
        self._at = event.at
        match event:
            case StudyBegan():
                self._begin(line)
            case TrialStarted(trial, at):
                self._trials.start(trial, at, line.start)
            case EpochReported():
                self._trials.report(event)
            case TrialEnded():
                self._trials.end(event)
                self._show()
            case StudyFinished(summary, at):
                self._interrupt("the study ended first")
                if line.start >= self._noted:
                    self._show()
                    self._study.finish(summary, at)
                    self._patience(analyze, self._uri)
                self._state.stage = Stage.FINISHED
            case StudyClosed():
                self._interrupt("the study was interrupted")
                if line.start >= self._noted:
                    self._study.end("KILLED", self._at, reason="the study was interrupted")
                self._state.stage = Stage.CLOSED
        self._state.read = line.stop
        needed = self._trials.first_needed
        self._state.keep = line.stop if needed is None else needed

    def upload_long(self) -> None:
        """Upload what long trials reported in the last seconds."""
        self._trials.upload_long()

    def abandon(self, reason: str) -> None:
        """End what is open as interrupted: nothing runs any more."""
        self._interrupt(reason)
        self._study.end("KILLED", self._at, reason=reason)
        self._state.stage = Stage.CLOSED
        self._state.keep = self._state.read

    def _begin(self, line: Line) -> None:
        if line.start == 0:
            self._study.describe()
        elif line.start >= self._noted:
            self._study.resume()
        self._state.stage = Stage.READY
        self._show()

    def _interrupt(self, reason: str) -> None:
        for number in self._trials.numbers:
            self._trials.end(TrialEnded(number, State.INTERRUPTED, None, reason, self._at))

    def _show(self) -> None:
        curves = [name for name in self._trials.metric_names if name not in _NOT_CURVES]
        self._study.show(curves[:_MOST_CURVES])
