import signal
from collections.abc import Callable

import pytest

from tunelab.cli.stop_signal import StopSignal

from .snapshots import snapshot


def exit_code_after(*steps: Callable[[StopSignal], object]) -> int:
    """Take the steps until one of them ends it."""
    with pytest.raises(SystemExit) as ended, StopSignal() as stop:
        [step(stop) for step in steps]
    return int(str(ended.value.code))


def train(stop: StopSignal) -> None:
    stop.check(snapshot())


def end(stop: StopSignal) -> None:
    stop.check(snapshot(done=200, running=0, waiting=0))


def ctrl_c(stop: StopSignal) -> None:
    signal.raise_signal(signal.SIGINT)


def terminate(stop: StopSignal) -> None:
    signal.raise_signal(signal.SIGTERM)


def waited(stop: StopSignal) -> None:
    pytest.fail("it waited")


def still_here(stop: StopSignal) -> None:
    assert stop.number == signal.SIGINT


def test_while_trials_run_a_signal_waits_for_the_end_of_the_round() -> None:
    assert exit_code_after(train, ctrl_c, still_here, train, waited) == 130


def test_a_second_signal_does_not_wait() -> None:
    assert exit_code_after(train, ctrl_c, still_here, terminate, waited) == 143


def test_where_no_trial_runs_a_signal_does_not_wait() -> None:
    assert exit_code_after(ctrl_c, waited) == 130
    assert exit_code_after(train, end, ctrl_c, waited) == 130


def test_what_a_shell_ignores_stays_ignored() -> None:
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignal():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
