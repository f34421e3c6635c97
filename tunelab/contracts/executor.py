"""An executor: where populations train."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tunelab.trial import Orders, Progress


class Executor(ABC):
    """Where populations train. Orders and progress go in lockstep: progress r answers orders r.

    A caller may send orders ahead of the progress that it has received; a worker then never waits for the caller.
    """

    @abstractmethod
    def send(self, orders: "Orders") -> None:
        """Queue the orders of the next round."""

    @abstractmethod
    def receive(self) -> "Progress":
        """Return the progress of the oldest round not received yet.

        Raises:
            WorkerError: the worker is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop training at once and let go of everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
