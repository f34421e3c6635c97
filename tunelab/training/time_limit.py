"""How long a worker may train without a report, and what is known of one that took longer and was ended."""

import faulthandler
import json
import os
import re
import signal
import sysconfig
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from types import FrameType

from tunelab.errors import setting
from tunelab.trial import Ended, Hung, Orders, State

CLEAN_UP = 10.0
"""Seconds that a loop has for its `finally` once its time is up; or as long again as its limit, if that is less."""

_FRAME = re.compile(r'^  File "(?P<file>[^<].*)", line (?P<line>\d+) in .*$', re.MULTILINE)

_NOT_A_PERSONS = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)


class TimeUp(BaseException):
    """Raised in a loop whose time is up, wherever it is; no `Exception`, so that its own handlers let it pass."""


class TimeLimit:
    """Ends what trains without a report for too long: native code too, which no signal handler of Python's would end.

    Args:
        seconds: how long it may; None for ever.
        note: the descriptor of a file that says who trains, for whoever finds this process dead (`hung_by`). None in a
            process that is not a worker's own and must not be ended: then nothing is limited.
    """

    def __init__(self, seconds: float | None = None, note: int | None = None) -> None:
        self._seconds, self._note = (seconds, note) if seconds and note is not None else (0.0, 0)
        self._written: tuple[int, ...] | None = None
        self._due = inf
        if self._seconds:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process, once the stack is written
            faulthandler.register(signal.SIGALRM, file=self._note, chain=True)
            signal.signal(signal.SIGUSR2, self._ring)
            # now, while there is memory for it: where there is none, Python waits for ever for a thread to begin
            threading.Thread(target=self._watch, name="tunelab-time", daemon=True).start()

    @contextmanager
    def ends_process(self, trials: Sequence[int], grace: float = 0.0) -> Iterator[None]:
        """End this process, with its stack in the note, if what follows takes too long.

        Args:
            trials: who trains.
            grace: seconds more.
        """
        if not self._seconds:
            yield
            return
        self._write_down(tuple(trials))
        signal.setitimer(signal.ITIMER_REAL, self._seconds + grace)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def interrupts(self, trial: int) -> Iterator[None]:
        """Raise `TimeUp` in what follows if it takes too long, so that it cleans up; or else end this process.

        A second clock for that costs less than a microsecond, as a thread that looks at it now and then.
        """
        if not self._seconds:
            yield
            return
        with self.ends_process((trial,), grace=min(self._seconds, CLEAN_UP)):
            self._due = time.monotonic() + self._seconds
            try:
                yield
            finally:
                self._due = inf

    def _write_down(self, trials: tuple[int, ...]) -> None:
        if trials != self._written:
            os.ftruncate(self._note, 0)
            os.lseek(self._note, 0, os.SEEK_SET)
            os.write(self._note, json.dumps({"trials": trials, "why": self._why}).encode() + b"\n")
            self._written = trials

    @property
    def _why(self) -> str:
        allowed = f"{self._seconds:g} s"
        return f"it trained for {allowed} without a report, and {setting('trial_timeout')} allows {allowed}"

    def _watch(self) -> None:
        trains = threading.main_thread().ident
        assert trains is not None
        while True:
            time.sleep(min(self._seconds / 10, 1.0))
            if time.monotonic() >= self._due:
                signal.pthread_kill(trains, signal.SIGUSR2)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() >= self._due:  # it may have reported by now
            self._due = inf
            raise TimeUp(self._why)


FOR_EVER = TimeLimit()
"""No limit."""


def hung_by(note: int) -> Hung | None:
    """Return which trials trained when a process was ended for it, and where; None where it ended otherwise.

    Args:
        note: the descriptor that the process had.
    """
    head, _, stack = os.pread(note, 1 << 20, 0).decode(errors="replace").partition("\n")
    if "most recent call first" not in stack:
        return None
    said = json.loads(head)
    main = stack.rstrip().rpartition("\n\n")[2]  # the oldest thread is told last
    frames = list(_FRAME.finditer(main))
    own = [frame for frame in frames if not frame["file"].startswith(_NOT_A_PERSONS)]
    where = [f" ({Path(frame['file']).name}, line {frame['line']})" for frame in (own or frames)[:1]]
    return Hung(tuple(said["trials"]), f"{said['why']}{''.join(where)}\n\n{main}\n")


def without_hung(orders: Orders) -> tuple[Orders, tuple[Ended, ...]]:
    """Return orders without the trials that hung alone, and their ends. Those that hung together are to part."""
    ended = {each.trials[0]: each.reason for each in orders.hung if len(each.trials) == 1}
    return (
        replace(
            orders,
            start=tuple(trial for trial in orders.start if trial.number not in ended),
            going=tuple(each for each in orders.going if each.trial.number not in ended),
        ),
        tuple(Ended(number, State.FAILED, 0, 0, reason) for number, reason in ended.items()),
    )
