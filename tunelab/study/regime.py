"""How a study's trials train: what a study does by the kind of its experiment."""

from abc import ABC, abstractmethod
from pathlib import Path

from tunelab.contracts import Work
from tunelab.trial import DataRecord, Ended, Result


class Regime(ABC):
    """What trains a study's trials, how many of them at once, and what is kept of them.

    Attributes:
        data: what is said of the data, where there is any.
    """

    data: DataRecord | None = None

    @abstractmethod
    def work(self, home: Path) -> Work:
        """Return what a worker needs, given the study's folder."""

    @abstractmethod
    def pace(self, *, prunes: bool) -> tuple[int | None, int]:
        """Return how many trials are in flight at most, and how many orders the worker holds (`Budget`)."""

    @abstractmethod
    def settle(self, home: Path, result: Result, ended: Ended, *, is_best: bool) -> None:
        """Keep what a trial left, if that is worth it; called as soon as it has ended."""

    @abstractmethod
    def test(self, home: Path) -> dict[str, float]:
        """Return the best trial's metrics on the test part; none where there is none."""
