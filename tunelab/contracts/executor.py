"""An executor: where trials train; and what it runs there: a worker, which a job makes."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from tunelab.errors import WorkerError

if TYPE_CHECKING:
    from tunelab.trial import Limits, Orders, Progress


class Worker(Protocol):
    """Trains the trials that it is given, one round after another.

    Attributes:
        limits: what a trial may take.
    """

    limits: "Limits"

    def round(self, orders: "Orders") -> "Progress":
        """Admit and stop trials as ordered, then train until somebody has something to report."""

    def close(self) -> None:
        """Let go of the trials that still train."""


class Work(Protocol):
    """All that is needed to train any trial of a study; it may travel to another process, and makes the worker there.

    It holds the study's experiment and, where there is one, its data.
    """

    @property
    def folder(self) -> Path | None:
        """The folder of the checkpoints of those trials that run; None where none are kept."""

    def worker(self, note: int | None = None) -> Worker:
        """Return a worker that has no trial yet.

        Args:
            note: in a process of its own, the descriptor of a file where it says who trains; None where that is not its
                own, and must not be ended if a trial takes too long.
        """

    def elsewhere(self, spare: Path) -> Self:
        """Return the same work for a machine that does not have the folder.

        Args:
            spare: a folder there that does not exist yet, and will not last.
        """


class Executor(ABC):
    """Where trials train. Orders and progress go in lockstep: progress r answers orders r.

    A caller may send orders ahead of the progress that it has received; a worker then never waits for the caller.
    """

    def start(self) -> None:
        """Start what takes its time, if that has not been done."""
        return

    @abstractmethod
    def send(self, orders: "Orders") -> None:
        """Queue the orders of the next round."""

    @abstractmethod
    def receive(self) -> "Progress":
        """Return the progress of the oldest round not received yet.

        Raises:
            WorkerError: the worker is gone.
        """

    def pass_over(self, progress: "Progress") -> None:
        """Take the progress of the oldest round not received yet as known: nobody trains it.

        Raises:
            WorkerError: an executor that cannot.
        """
        raise WorkerError(f"a study that trains in {type(self).__name__} cannot be resumed")

    @abstractmethod
    def close(self) -> None:
        """Stop training at once and let go of everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
