"""One trial of a loop: its generator, drawn report by report."""

import inspect
from collections.abc import Generator
from math import isfinite
from pathlib import Path
from traceback import TracebackException, walk_tb
from types import TracebackType
from typing import Any

from tunelab.errors import ExperimentError
from tunelab.loop import Loop
from tunelab.training.loop_report import metrics_of
from tunelab.training.memory_limit import named
from tunelab.training.time_limit import FOR_EVER, TimeLimit, TimeUp
from tunelab.trial import Ended, Report, State, Trial

LONGEST = 300
"""Characters of a reason's first line, which stands in tables and messages."""


class LoopRun:
    """Runs a trial's generator.

    Args:
        loop: whose.
        trial: with which hyperparameters.
        time: how long it may take between two reports.
        memory: what its process may hold; None for no limit.

    Attributes:
        trial: the trial.
        epoch: reports so far.
    """

    def __init__(self, loop: Loop, trial: Trial, time: TimeLimit = FOR_EVER, memory: str | None = None) -> None:
        self.trial = trial
        self.epoch = 0
        self._time, self._memory = time, memory
        self._loop = loop
        self._file = inspect.unwrap(loop.function).__code__.co_filename
        self._generator: Generator[Any, None, Any] | None = None

    def advance(self) -> Report | Ended:
        """Return the next report, or how the trial ended: at its return, by an exception, or by a bad report."""
        try:
            with self._time.interrupts(self.trial.number):
                if self._generator is None:
                    self._generator = self._started()
                given = next(self._generator)
        except StopIteration as stop:
            return self._returned(stop.value)
        except (Exception, SystemExit, TimeUp) as error:  # a person's code may well call exit()
            return self._ended(State.FAILED, named(reason_of(error, self._file), error, self._memory))
        self.epoch += 1
        try:
            metrics = metrics_of(given, self._loop.objective, self.epoch)
        except ExperimentError as error:
            return self.end(State.FAILED, f"{error} ({self._where()})")
        value = metrics[self._loop.objective]
        if not isfinite(value):
            return self.end(State.DIVERGED, f"{self._loop.objective} was {value:.3g} in report {self.epoch}")
        return Report(self.trial.number, self.epoch, self.epoch, metrics)

    def end(self, state: State, reason: str) -> Ended:
        """Close the generator, so that its `finally` runs, and return the end."""
        assert self._generator is not None
        try:
            with self._time.interrupts(self.trial.number):
                self._generator.close()
        except (Exception, SystemExit, TimeUp) as error:
            reason = f"{reason}; then closing it failed: {reason_of(error, self._file)}"
        return self._ended(state, reason)

    def _started(self) -> Generator[Any, None, Any]:
        generator = self._loop(self.trial)
        if not isinstance(generator, Generator):
            raise ExperimentError(f"the loop must be a generator, but it returned {generator!r}; use yield")
        return generator

    def _returned(self, value: Any) -> Ended:
        if self.epoch:
            return self._ended(State.COMPLETE, None)
        returned = "" if value is None else f"; it returned {value!r}"
        return self._ended(
            State.FAILED,
            f"the loop ended without a report{returned}; it must yield at least once ({Path(self._file).name})",
        )

    def _ended(self, state: State, reason: str | None) -> Ended:
        self._generator = None
        return Ended(self.trial.number, state, self.epoch, self.epoch, reason)

    def _where(self) -> str:
        """Return where in its file the generator stands."""
        frame = getattr(self._generator, "gi_frame", None)
        return f"{Path(self._file).name}, line {frame.f_lineno}" if frame else Path(self._file).name


def reason_of(error: BaseException, file: str) -> str:
    """Return why a trial failed: in one short line, with the line of the person's file; and then the traceback.

    Args:
        error: what was raised.
        file: the file that defines the loop.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    told = TracebackException(type(error), error, trace)
    said = next(line for line in "".join(told.format_exception_only()).splitlines() if not line.startswith(" "))
    said = str(error) if isinstance(error, TimeUp) else said
    lines = _lines(trace, file)
    where = f" ({Path(file).name}, line {lines[-1]})" if lines else ""
    return f"{said[:LONGEST]}{where}\n\n{''.join(told.format())}"


def _lines(trace: TracebackType | None, file: str) -> list[int]:
    """Return where in a file a traceback passed, the innermost last."""
    return [line for frame, line in walk_tb(trace) if frame.f_code.co_filename == file]
