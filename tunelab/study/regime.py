"""How a study's trials train: what a study does by the kind of its experiment."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tunelab.contracts import Executor, Work
from tunelab.trial import DataRecord, Ended, Finished, Limits, Result, Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunelab.training.trained import TrainedModel


class Regime(ABC):
    """What trains a study's trials, how many of them at once, and what is kept of them.

    Attributes:
        data: what is said of the data, where there is any.
        keeps_models: whether the best trial's model is kept.
    """

    data: DataRecord | None = None
    keeps_models: ClassVar[bool] = False

    @abstractmethod
    def work(self, home: Path, limits: Limits) -> Work:
        """Return what a worker needs, given the study's folder and what a trial may take."""

    @abstractmethod
    def pace(self, *, prunes: bool) -> tuple[int | None, int]:
        """Return how many trials are in flight at most, and how many orders the worker holds (`Budget`)."""

    @abstractmethod
    def settle(self, home: Path, result: Result, ended: Ended, *, is_best: bool) -> None:
        """Keep what a trial left, if that is worth it; called as soon as it has ended."""

    @abstractmethod
    def finish(self, home: Path, best: Trial, executor: Executor, *, export: bool) -> Finished:
        """Do what is to be done with the best trial once all have ended.

        Args:
            home: the study's folder.
            best: the trial.
            executor: what trained it, and has nothing else to do.
            export: whether a module is to become a program.
        """

    @abstractmethod
    def loader(self, home: Path, best: Trial) -> "Callable[[], TrainedModel] | None":
        """Return what loads the best trial's trained model; None where none is kept."""
