"""What a study's spool says in the end: of each trial, and of the study."""

from dataclasses import dataclass, field
from pathlib import Path

from tunelab.tracking.mlflow_names import accepted_keys
from tunelab.tracking.spool import (
    EpochReported,
    Line,
    SpoolReader,
    StudyBegan,
    StudyClosed,
    StudyFinished,
    TrialEnded,
    TrialStarted,
)
from tunelab.trial import OBJECTIVE, Report, State


@dataclass(slots=True)
class ToldTrial:
    """One trial.

    Attributes:
        line: where it started first, in bytes of the spool.
        hyperparameters: how many it has.
        state: how it ended; None while it trains.
        reason: why, where the spool says so.
        epoch: the last one.
        points: of each metric, under MLflow's name for it: how many there are, and the last one's epoch.
    """

    line: int
    hyperparameters: int
    state: State | None = None
    reason: str | None = None
    epoch: int = 0
    points: dict[str, tuple[int, int]] = field(default_factory=dict)

    def report(self, report: Report) -> None:
        """Take an epoch."""
        if report.epoch <= self.epoch:  # an earlier attempt's, told again
            return
        self.epoch = report.epoch
        for name in accepted_keys(report.metrics):
            count, _ = self.points.get(name, (0, 0))
            self.points[name] = count + 1, report.epoch

    def end(self, event: TrialEnded) -> None:
        """Take its end."""
        self.state, self.reason = event.state, event.reason
        if event.state is State.COMPLETE and event.value is not None:
            self.points[OBJECTIVE] = 1, self.epoch


class Told:
    """A whole spool, as far as it goes now.

    Args:
        spool: the file.

    Attributes:
        trials: by number.
        last_word: the line that says last how the study stands: that it began, finished or was closed.
        at: when the last line was written, Unix seconds.
        stop: how far the spool was read, in bytes.
    """

    def __init__(self, spool: Path) -> None:
        self.trials: dict[int, ToldTrial] = {}
        self.last_word: Line | None = None
        self.at = 0.0
        self._open: set[int] = set()
        reader = SpoolReader(spool)
        while lines := reader.read():
            for line in lines:
                self._note(line)
        self.stop = reader.offset

    @property
    def metric_names(self) -> list[str]:
        """The metrics that trials reported, in the order in which they came."""
        names = dict.fromkeys(name for trial in self.trials.values() for name in trial.points)
        return [name for name in names if name != OBJECTIVE]

    def _note(self, line: Line) -> None:
        event = line.event
        self.at = event.at
        match event:
            case TrialStarted(trial):
                told = self.trials.setdefault(trial.number, ToldTrial(line.start, len(trial.params)))
                told.state = told.reason = None
                self._open.add(trial.number)
            case EpochReported(report):
                if report.trial in self._open:
                    self.trials[report.trial].report(report)
            case TrialEnded(number):
                if number in self._open:
                    self._open.discard(number)
                    self.trials[number].end(event)
            case StudyBegan():
                self.last_word = line
            case StudyFinished() | StudyClosed():
                self.last_word = line
                for number in self._open:
                    self.trials[number].state = State.INTERRUPTED
                self._open.clear()
