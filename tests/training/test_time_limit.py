"""What a process does that takes too long, and what it leaves behind."""

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunelab.training import time_limit
from tunelab.training.time_limit import FOR_EVER, TimeLimit, TimeUp, hung_by, without_hung
from tunelab.trial import Ended, Going, Hung, Orders, State, Trial


@pytest.fixture
def note() -> Iterator[int]:
    before = {each: signal.getsignal(each) for each in (signal.SIGALRM, signal.SIGUSR2)}
    with tempfile.TemporaryFile() as file:
        yield file.fileno()
        faulthandler.unregister(signal.SIGALRM)
    for each, handler in before.items():
        signal.signal(each, handler)


ENDLESS = """
import sys
from tunelab.training.time_limit import TimeLimit

limit = TimeLimit(0.3, int(sys.argv[1]))
with limit.ends_process((7, 17, 1017), grace=60):
    pass
with limit.ends_process((3, 5)):
    while True:
        pass
"""


def test_a_process_that_takes_too_long_is_ended_and_its_note_says_who_trained_and_where(
    note: int, tmp_path: Path
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    command = [sys.executable, str(tmp_path / "endless.py"), str(note)]
    assert hung_by(note) is None
    assert subprocess.run(command, pass_fds=[note], timeout=60, check=False).returncode == -signal.SIGALRM
    found = hung_by(note)
    assert found is not None
    assert found.trials == (3, 5)
    first, *_ = found.reason.splitlines()
    assert first.startswith(
        "it trained for 0.3 s without a report, and trial_timeout (--trial-timeout) allows 0.3 s (endless.py, line "
    )
    assert first.endswith((" 8)", " 9)", " 10)"))


NO_MEMORY = """
import sys, threading
from tunelab.training.memory_limit import hold_to, ran_out_of_memory
from tunelab.training.time_limit import TimeLimit

limit = TimeLimit(60, int(sys.argv[1]))
hold_to("500MB")
held = []
try:
    while True:
        held.append(bytearray(1_000_000))
except MemoryError:
    pass
try:
    threading.Thread(target=print).start()
except RuntimeError as error:
    assert ran_out_of_memory(error)
    print("no thread")
with limit.interrupts(3):
    print("trains")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit")
def test_a_loop_is_watched_where_there_is_no_memory_for_a_thread(note: int) -> None:
    command = [sys.executable, "-c", NO_MEMORY, str(note)]
    done = subprocess.run(command, pass_fds=[note], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("no thread\ntrains\n", "")


def test_one_that_ends_otherwise_leaves_nothing_to_read(note: int) -> None:
    with TimeLimit(60, note).ends_process((3,)):
        pass
    assert os.pread(note, 100, 0).startswith(b'{"trials": [3]')
    assert hung_by(note) is None


class Clock:
    """A clock that a test sets ahead, in place of `time`: the limit is so long that no slow machine comes near it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time_limit, "time", found)
    return found


def test_a_loop_is_interrupted_where_it_is(note: int, clock: Clock) -> None:
    cleaned = []

    def sleep() -> None:
        try:
            clock.ahead = 200
            time.sleep(60)
        finally:
            cleaned.append(True)

    with pytest.raises(TimeUp, match=r"^it trained for 200 s without a report"), TimeLimit(200, note).interrupts(3):
        sleep()
    assert cleaned
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.1)  # and it rings once


def test_what_is_in_time_hears_of_nothing(note: int, clock: Clock) -> None:
    with TimeLimit(200, note).interrupts(3):
        clock.ahead = 199
        time.sleep(0.1)
    clock.ahead = 1000
    time.sleep(0.1)
    for limit in (FOR_EVER, TimeLimit(0.1), TimeLimit(None, note)):
        with limit.interrupts(3), limit.ends_process((3,)):
            time.sleep(0.15)


def test_who_hung_alone_has_failed_and_those_that_hung_together_are_left() -> None:
    trials = [Trial(number, number, {}) for number in range(6)]
    going = (Going(trials[0], 3), Going(trials[1], None))
    hung = (Hung((1, 2), "together"), Hung((1,), "alone"), Hung((4,), "alone too"))
    orders, ended = without_hung(Orders(start=tuple(trials[2:]), stop=(0,), going=going, hung=hung))
    assert [each.trial.number for each in orders.going] == [0]
    assert [each.number for each in orders.start] == [2, 3, 5]
    assert orders.stop == (0,)
    assert ended == (Ended(1, State.FAILED, 0, 0, "alone"), Ended(4, State.FAILED, 0, 0, "alone too"))
