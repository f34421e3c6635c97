"""Where a study trains, by name."""

from collections.abc import Callable

from tunelab.contracts import Executor, Work
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.team import TeamExecutor

EXECUTORS: dict[str, Callable[[Work, int], Executor]] = {
    "process": lambda job, workers: TeamExecutor(lambda: ProcessExecutor(job), workers),
    "inline": lambda job, workers: TeamExecutor(lambda: InlineExecutor(job), workers),
}
"""How a study trains, by name: given the job, and how many workers are wanted."""
