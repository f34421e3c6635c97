"""Where a study trains, by name."""

import os
import sys
from collections.abc import Callable
from typing import Literal

from tunelab.contracts import Executor, Work
from tunelab.errors import ExperimentError
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.ray import Ray
from tunelab.executors.team import TeamExecutor
from tunelab.training.memory_limit import bytes_of

EXECUTORS: dict[str, Callable[[Work, int], Executor]] = {
    "process": lambda job, workers: TeamExecutor(lambda: ProcessExecutor(job), workers),
    "inline": lambda job, workers: TeamExecutor(lambda: InlineExecutor(job), workers),
    "ray": lambda job, workers: Ray().team(job, workers),
}
"""How a study trains, by name: given the job, and how many workers are wanted."""

Where = Literal["process", "inline", "ray"] | Ray
"""Where a study trains: in worker processes, in this one, on the Ray cluster at hand, or on one that is described."""


def team(where: Where, job: Work, workers: int) -> Executor:
    """Return what trains there."""
    return where.team(job, workers) if isinstance(where, Ray) else EXECUTORS[where](job, workers)


def check_memory(where: Where, size: str | None) -> None:
    """Raise `ExperimentError` unless workers there can be held to so much memory.

    Args:
        where: where the study trains.
        size: what each worker may hold, as `2GB`; None for no limit.
    """
    if size is None:
        return
    bytes_of(size)
    if where == "inline":
        raise ExperimentError(
            f"worker_memory={size!r}: executor='inline' trains in this process, which would be held to it too; train "
            "in worker processes (executor='process', --executor process), or leave it out"
        )
    if where == "process" and sys.platform != "linux":
        raise ExperimentError(f"worker_memory={size!r}: only Linux limits it, this is {sys.platform}; leave it out")


def default_workers(where: Where) -> int:
    """Return how many workers train there if nobody says.

    On this machine, one for each core that this process may use, but for the one that it needs itself.
    """
    if where == "inline":
        return 1
    if where == "process":
        return max(1, len(os.sched_getaffinity(0)) - 1)
    return (where if isinstance(where, Ray) else Ray()).default_workers()
