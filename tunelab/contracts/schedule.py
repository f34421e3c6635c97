"""A schedule: what the learning rate is multiplied by."""

from abc import abstractmethod
from collections.abc import Mapping

from tunelab.contracts.arrays import Array, Hyper
from tunelab.contracts.plugin import Plugin


class Schedule(Plugin):
    """How the learning rate moves: a pure function of step and total, and of what the schedule remembers.

    Few remember anything. One that follows a metric begins with `memory()`, and `observe` renews it at each epoch's
    end; every member has its own.
    """

    def memory(self) -> dict[str, float]:
        """Return the numbers that the schedule keeps from epoch to epoch, as they are before the first."""
        return {}

    def observe(self, memory: Mapping[str, float], metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return the memory after an epoch that one member ended with these metrics; a pure function.

        Args:
            memory: what the member's schedule remembers.
            metrics: `train_loss`, `val_loss`, ..., or `loss` for a function.
        """
        return memory

    @abstractmethod
    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return what the learning rate is multiplied by.

        Args:
            hyper: the float fields of all members and what they remember, by name, `(P, 1)`.
            step: steps taken before this one, `(S, P, 1)`: 0, 1, ..., total - 1.
            total: all steps of each member's training, `(P, 1)`.

        Returns:
            float64, broadcasts to `(S, P, 1)`.
        """
