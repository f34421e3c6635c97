"""Where a study trains, by name."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

from tunelab.contracts import Executor, Work
from tunelab.errors import ExperimentError, setting, suggestion
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.ray import Ray
from tunelab.executors.team import TeamExecutor
from tunelab.training.memory_limit import bytes_of


@runtime_checkable
class Place(Protocol):
    """Where a study trains."""

    def workers(self, wanted: int | None) -> int:
        """Return how many workers train there.

        Args:
            wanted: how many a person asks for; None for what suits the place.

        Raises:
            InputError: there are not so many, or there is no such place.
        """

    def check_memory(self, size: str) -> None:
        """Raise `ExperimentError` unless each worker there can be held to so much memory, as `2GB`."""

    def team(self, job: Work, workers: int) -> Executor:
        """Return so many workers that train a job together."""


@dataclass(frozen=True)
class Processes:
    """Worker processes of this machine."""

    def workers(self, wanted: int | None) -> int:
        """Return as many as are wanted, or one for each core that this process may use, but for the one it needs."""
        return wanted or max(1, len(os.sched_getaffinity(0)) - 1)

    def check_memory(self, size: str) -> None:
        """Raise `ExperimentError` where the system cannot."""
        if sys.platform != "linux":
            raise ExperimentError(
                f"{setting('worker_memory', size)}: only Linux limits it, this is {sys.platform}; leave it out"
            )

    def team(self, job: Work, workers: int) -> Executor:
        """Return workers with a process each; one that dies is replaced."""
        return TeamExecutor(lambda: ProcessExecutor(job), workers)


@dataclass(frozen=True)
class Inline:
    """This process."""

    def workers(self, wanted: int | None) -> int:
        """Return 1.

        Raises:
            ExperimentError: more are wanted.
        """
        if wanted is not None and wanted > 1:
            raise ExperimentError(
                f"{setting('workers', wanted)}: {setting('executor', 'inline')} trains in this process alone; leave "
                "one of them out"
            )
        return 1

    def check_memory(self, size: str) -> None:
        """Raise `ExperimentError`."""
        raise ExperimentError(
            f"{setting('worker_memory', size)}: {setting('executor', 'inline')} trains in this process, which would "
            f"be held to it too; train in worker processes, {setting('executor', 'process')}, or leave it out"
        )

    def team(self, job: Work, workers: int) -> Executor:
        """Return the one worker."""
        return TeamExecutor(lambda: InlineExecutor(job), workers)


PLACES: Mapping[str, Place] = MappingProxyType({"process": Processes(), "inline": Inline(), "ray": Ray()})
"""The places that have a name."""

Where = Literal["process", "inline", "ray"] | Place
"""Where a study trains: in worker processes, in this one, on the Ray cluster at hand, or on one that is described."""


def place(where: Where) -> Place:
    """Return a place by its name, or as it is given.

    Raises:
        ExperimentError: no place has this name, or what is given is none.
    """
    if isinstance(where, Place) and not isinstance(where, type):
        return where
    if not (isinstance(where, str) and where in PLACES):
        raise ExperimentError(f"no executor named {where!r}; {suggestion(str(where), PLACES)}")
    return PLACES[where]


def check_memory(where: Place, size: str | None) -> None:
    """Raise `ExperimentError` unless workers there can be held to so much memory.

    Args:
        where: where the study trains.
        size: what each worker may hold, as `2GB`; None for no limit.
    """
    if size is not None:
        bytes_of(size)
        where.check_memory(size)
