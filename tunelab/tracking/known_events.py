"""What a study's spool holds already, where the study goes on."""

from pathlib import Path

from tunelab.tracking.spool import EpochReported, Event, SpoolReader, StudyBegan, TrialEnded, TrialStarted
from tunelab.trial import State


class KnownEvents:
    """Tells events that a spool has from those that it lacks: a study that is resumed says again all that it said.

    A trial that was interrupted starts once more, and then only what is new of it counts.

    Args:
        spool: the file; it may not be there yet.

    Attributes:
        damaged: whether not all of it can be read.
    """

    def __init__(self, spool: Path) -> None:
        self._ended: set[int] = set()
        self._epochs: dict[int, int] = {}
        reader, first = SpoolReader(spool), None
        while spool.exists() and (lines := reader.read()):
            first = first or lines[0].event
            for line in lines:
                self._note(line.event)
        self.damaged = reader.damaged > 0 or not isinstance(first, StudyBegan | None)

    def lacks(self, event: Event) -> bool:
        """Return whether an event is news."""
        match event:
            case TrialStarted(trial):
                return trial.number not in self._ended
            case EpochReported(report):
                return report.trial not in self._ended and report.epoch > self._epochs.get(report.trial, 0)
            case TrialEnded(number):
                return number not in self._ended
            case _:
                return True

    def _note(self, event: Event) -> None:
        match event:
            case EpochReported(report):
                self._epochs[report.trial] = report.epoch
            case TrialEnded(number, state) if state is not State.INTERRUPTED:
                self._ended.add(number)
