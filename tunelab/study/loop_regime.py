"""Trials of a person's own loop: one after another."""

from pathlib import Path

from tunelab.contracts import Executor, Work
from tunelab.errors import ExperimentError, setting
from tunelab.loop import Loop
from tunelab.study.folder import CHECKPOINTS
from tunelab.study.regime import Regime
from tunelab.training.loop_trainer import LoopJob
from tunelab.training.member_checkpoint import forget
from tunelab.trial import Ended, Finished, Limits, Result, State, Trial


class LoopRegime(Regime):
    """One trial at a time, and the next one ready; checkpoints are kept of the best trial and of those cut short.

    Args:
        loop: what is run.
        population: None; a loop has no population.

    Raises:
        ExperimentError: a population.
    """

    def __init__(self, loop: Loop, population: int | None) -> None:
        if population is not None:
            raise ExperimentError(
                f"{setting('population', population)}: {loop.name} is a loop of its own, whose trials run one after "
                "another; leave it out"
            )
        self._loop = loop
        self._best: int | None = None

    def work(self, home: Path, limits: Limits) -> Work:
        """Return the loop, and where its trials' checkpoints lie."""
        return LoopJob(self._loop, home.absolute() / CHECKPOINTS, limits)

    def pace(self, *, prunes: bool) -> tuple[int, int]:
        """Return one trial that runs and one that waits, so that the worker never does.

        With a pruner, one and no other: each report is judged before the next is drawn, and a trial that is pruned
        trains no further. The worker then waits 0.3 ms a report for that, where training on would take an epoch.
        """
        return (1, 1) if prunes else (2, 2)

    def settle(self, home: Path, result: Result, ended: Ended, *, is_best: bool) -> None:
        """Remove the checkpoint of a trial that nobody goes on from: all but the best and the interrupted."""
        if is_best:
            outdone, self._best = self._best, result.trial.number
        else:
            outdone = None if result.state is State.INTERRUPTED else result.trial.number
        if outdone is not None:
            forget(home / CHECKPOINTS, outdone)

    def finish(self, home: Path, best: Trial, executor: Executor, *, export: bool) -> Finished:
        """Do nothing: what a loop keeps, and measures on a test part, is its own affair."""
        return Finished()

    def loader(self, home: Path, best: Trial) -> None:
        """Return None: the loop itself knows how to load what its checkpoint holds."""
