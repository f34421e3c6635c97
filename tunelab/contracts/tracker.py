"""A tracker: what mirrors a study outside."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tunelab.errors import StoreError, setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunelab.trial import Mirror, Report, State, StudyRecord, Summary, Trial


class Tracker(ABC):
    """Mirrors a study outside. It is never read to decide. Times are Unix seconds.

    Attributes:
        keeps_models: whether it shows the best trial's model.
    """

    keeps_models: ClassVar[bool] = False

    def check_name(self, name: str) -> None:
        """Raise `StoreError` unless the best trial's model can be registered under this name."""
        raise StoreError(
            f"{setting('register', name)} needs a model registry, and {type(self).__name__} has none; "
            "leave register out, or leave tracker out for MLflow"
        )

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

    def watched_by(self, tell: "Callable[[int], None]") -> None:
        """Be told whom `finish` tells now and then, while it waits, how many trials are shown."""
        return

    @abstractmethod
    def finish(self, summary: "Summary", at: float) -> "Mirror":
        """End the study, wait until all of it is shown, and say where, or why it is not (`Mirror.incomplete`)."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything, quickly, finished or not."""
