"""A tracker: what mirrors a study outside."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunelab.trial import Mirror, Report, State, StudyRecord, Summary, Trial


class Tracker(ABC):
    """Mirrors a study outside. It is never read to decide. Times are Unix seconds."""

    @abstractmethod
    def begin(self, study: "StudyRecord", at: float) -> None:
        """Open the mirror; raise `StoreError` where it cannot be reached."""

    @abstractmethod
    def start(self, trial: "Trial", at: float) -> None:
        """Say that a trial trains."""

    @abstractmethod
    def report(self, report: "Report", at: float) -> None:
        """Pass on one epoch of one trial."""

    @abstractmethod
    def end(self, trial: int, state: "State", value: float | None, reason: str | None, at: float) -> None:
        """Say how a trial ended."""

    @abstractmethod
    def finish(self, summary: "Summary", at: float) -> "Mirror":
        """End the study, wait until all of it is shown, and say where."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything, quickly, finished or not."""
