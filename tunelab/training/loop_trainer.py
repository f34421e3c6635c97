"""A worker's side of a person's own training loop: one trial after another, one report a round."""

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tunelab.checkpoint import Checkpoint
from tunelab.loop import Loop
from tunelab.training.loop_run import LoopRun
from tunelab.training.member_checkpoint import trial_folder
from tunelab.training.time_limit import TimeLimit, without_hung
from tunelab.trial import FREE, STOPPED, Ended, Limits, Orders, Progress, Report, State, Trial


@dataclass(frozen=True)
class LoopJob:
    """All that a worker needs to run any trial of a loop.

    Attributes:
        loop: what is run.
        folder: where its trials' checkpoints lie, each in a folder of its own.
        limits: what a trial may take.
    """

    loop: Loop
    folder: Path
    limits: Limits = FREE

    def worker(self, note: int | None = None) -> "LoopTrainer":
        """Return what runs it."""
        return LoopTrainer(self, note)

    def elsewhere(self, spare: Path) -> "LoopJob":
        """Return the same loop, which saves its checkpoints in another folder."""
        return replace(self, folder=spare)


class LoopTrainer:
    """Runs whatever trials it is given, the oldest first, and the next one when that has ended.

    Each round draws one report. Only one generator is alive at a time: two would need the memory of two models.

    Args:
        job: what to run.
        note: where to say who trains, in a process of its own.

    Attributes:
        limits: what a trial may take.
    """

    def __init__(self, job: LoopJob, note: int | None = None) -> None:
        self.limits = job.limits
        self._time = TimeLimit(job.limits.seconds, note)
        self._job = job
        self._waiting: dict[int, Trial] = {}
        self._running: LoopRun | None = None
        self._told: set[str | None] = set()

    def round(self, orders: Orders) -> Progress:
        """Admit and stop trials as ordered, then draw one report of the oldest trial."""
        began = time.perf_counter()
        orders, hung = without_hung(orders)
        ended = [*hung, *self._stop(orders.stop)]
        for each in hung:
            self._tell(each)
        self._waiting |= {trial.number: trial for trial in (*(each.trial for each in orders.going), *orders.start)}
        joined = self._start_next() if self._running is None else ()
        if self._running is None:
            return Progress(ended=tuple(ended))
        event = self._running.advance()
        if isinstance(event, Ended):
            self._running = None
            self._tell(event)
            ended.append(event)
        return Progress(
            began=joined,
            reports=(event,) if isinstance(event, Report) else (),
            ended=tuple(ended),
            members=1,
            capacity=1,
            work=1.0,
            seconds=time.perf_counter() - began,
        )

    def close(self) -> None:
        """Close the generator that runs."""
        running, self._running = self._running, None
        if running is not None:
            running.end(State.INTERRUPTED, "the study ended first")

    def _tell(self, ended: Ended) -> None:
        """Print why a trial failed, once for each kind of failure: who watches need not wait for the study's end."""
        if ended.state is State.FAILED and ended.why not in self._told:
            self._told.add(ended.why)
            print(f"trial {ended.trial} of {self._job.loop.name} failed: {ended.reason}", file=sys.stderr)

    def _stop(self, numbers: tuple[int, ...]) -> Iterator[Ended]:
        for number in numbers:
            if self._waiting.pop(number, None) is not None:
                yield Ended(number, State.PRUNED, 0, 0, STOPPED)
            elif self._running is not None and self._running.trial.number == number:
                running, self._running = self._running, None
                yield running.end(State.PRUNED, STOPPED)

    def _start_next(self) -> tuple[int, ...]:
        if not self._waiting:
            return ()
        trial = self._waiting.pop(min(self._waiting))
        if self.limits.memory is not None:
            gc.collect()  # what earlier trials left in circles is not to count against this one
        checkpoint = Checkpoint(trial_folder(self._job.folder, trial.number))
        own = replace(trial, params=dict(trial.params), checkpoint=checkpoint)
        self._running = LoopRun(self._job.loop, own, self._time, self.limits.memory)
        return (trial.number,)
