"""One trial of a loop: its reports, and every way in which it may end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tunelab import Trial, experiment
from tunelab.training.loop_run import LONGEST, LoopRun
from tunelab.trial import Ended, Report, State

FILE = "test_loop_run.py"


def run(function: Callable[[Trial], Iterator[Any]]) -> list[Report | Ended]:
    """Return all that a trial of a loop gives, its end last."""
    trial = LoopRun(experiment(minimize="loss")(function), Trial(7, 0, {}))
    events: list[Report | Ended] = []
    while not (events and isinstance(events[-1], Ended)):
        events.append(trial.advance())
    return events


def end_of(function: Callable[[Trial], Iterator[Any]]) -> Ended:
    end = run(function)[-1]
    assert isinstance(end, Ended)
    assert end.trial == 7
    return end


def sound(trial: Trial) -> Iterator[Any]:
    yield {"loss": 2.0, "rate": 1}
    yield {"loss": 1.0}


def test_reports_are_counted_from_one_and_the_end_is_complete() -> None:
    assert run(sound) == [
        Report(7, 1, 1, {"loss": 2.0, "rate": 1.0}),
        Report(7, 2, 2, {"loss": 1.0}),
        Ended(7, State.COMPLETE, 2, 2),
    ]


# ---- diverged


@pytest.mark.parametrize(("value", "said"), [("nan", "nan"), ("inf", "inf"), ("-inf", "-inf")])
def test_an_objective_that_is_not_finite_ends_it_as_diverged(value: str, said: str) -> None:
    closed: list[bool] = []

    def loop(trial: Trial) -> Iterator[Any]:
        try:
            yield {"loss": 1.0}
            yield {"loss": float(value)}
        finally:
            closed.append(True)

    events = run(loop)
    assert events[1] == Ended(7, State.DIVERGED, 2, 2, f"loss was {said} in report 2")
    assert len(events) == 2
    assert closed == [True]


def test_another_metric_may_be_anything() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0, "other": float("nan")}

    assert end_of(loop).state is State.COMPLETE


# ---- failed


def helper() -> None:
    raise ValueError("no such row\nand a second line")


def test_an_exception_is_one_line_and_then_the_traceback() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        helper()

    line = helper.__code__.co_firstlineno + 1
    end = end_of(loop)
    assert (end.state, end.epoch) == (State.FAILED, 1)
    assert end.why == f"ValueError: no such row ({FILE}, line {line})"
    assert end.reason is not None
    trace = end.reason.partition("\n\n")[2]
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "in loop\n    helper()" in trace
    assert "in helper\n    raise ValueError" in trace
    assert trace.endswith("ValueError: no such row\nand a second line\n")
    assert "tunelab/training" not in trace, "whose frames say nothing of it"


def test_the_line_is_the_innermost_in_the_loops_own_file() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        int("x".join(["1", "2"]), base=sys.maxsize)

    assert FILE in (end_of(loop).why or "")


def test_an_exception_that_was_caused_shows_its_cause() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        try:
            helper()
        except ValueError as error:
            raise RuntimeError("so it fails") from error

    reason = end_of(loop).reason or ""
    assert reason.startswith("RuntimeError: so it fails (")
    assert "no such row" in reason


def test_leaving_the_program_fails_the_trial_only() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        sys.exit(3)

    assert (end_of(loop).why or "").startswith(f"SystemExit: 3 ({FILE}, line ")


def test_an_interrupt_is_nobodys_failure() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(loop)


def test_a_long_message_is_cut_in_the_first_line_only() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        raise ValueError("x" * 5000)

    end = end_of(loop)
    assert LONGEST < len(end.why or "") < LONGEST + 60
    assert "x" * 5000 in (end.reason or "")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_printed_is_named() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        raise Unspeakable

    assert "Unspeakable" in (end_of(loop).why or "")


def test_a_syntax_error_is_told_by_its_message() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        compile("1 +", "expression", "eval")

    assert (end_of(loop).why or "").startswith("SyntaxError: ")


def test_a_bad_report_fails_it_at_the_line_of_its_yield_and_closes_it() -> None:
    closed: list[bool] = []

    def loop(trial: Trial) -> Iterator[Any]:
        try:
            yield {"loss": 1.0}
            yield {"los": 1.0}
        finally:
            closed.append(True)

    line = loop.__code__.co_firstlineno + 3
    end = end_of(loop)
    assert (end.state, end.epoch) == (State.FAILED, 2)
    assert (end.reason or "").startswith("report 2 has no 'loss', the objective")
    assert (end.reason or "").endswith(f"({FILE}, line {line})")
    assert closed == [True]


def never(trial: Trial) -> Iterator[Any]:
    if trial.number < 0:
        yield {"loss": 1.0}


def returns(trial: Trial) -> Iterator[Any]:
    if trial.number < 0:
        yield {"loss": 1.0}
    return {"loss": 2.0}


@pytest.mark.parametrize(("loop", "more"), [(never, ""), (returns, "; it returned {'loss': 2.0}")])
def test_a_loop_that_never_yields_fails(loop: Any, more: str) -> None:
    assert end_of(loop) == Ended(
        7, State.FAILED, 0, 0, f"the loop ended without a report{more}; it must yield at least once ({FILE})"
    )


def test_a_function_that_turns_out_to_be_no_generator_fails() -> None:
    def disguised(trial: Trial) -> Any:
        return {"loss": 1.0}

    disguised.__wrapped__ = sound  # type: ignore[attr-defined]
    assert "the loop must be a generator, but it returned {'loss': 1.0}; use yield" in (end_of(disguised).why or "")


# ---- closed from outside


def test_to_end_it_is_to_run_its_finally() -> None:
    story: list[str] = []

    def loop(trial: Trial) -> Iterator[Any]:
        try:
            while True:
                yield {"loss": 1.0}
        except GeneratorExit:
            story.append("closed")
            raise
        finally:
            story.append("finally")

    trial = LoopRun(experiment(minimize="loss")(loop), Trial(7, 0, {}))
    trial.advance()
    assert trial.end(State.PRUNED, "why") == Ended(7, State.PRUNED, 1, 1, "why")
    assert story == ["closed", "finally"]


def test_a_finally_that_raises_is_told_beside_the_reason() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        try:
            yield {"loss": 1.0}
        finally:
            raise OSError("the disk is full")

    trial = LoopRun(experiment(minimize="loss")(loop), Trial(7, 0, {}))
    trial.advance()
    end = trial.end(State.PRUNED, "why")
    assert end.state is State.PRUNED
    assert (end.why or "").startswith(f"why; then closing it failed: OSError: the disk is full ({FILE}, line ")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_will_not_be_closed_is_let_go() -> None:
    def loop(trial: Trial) -> Iterator[Any]:
        for _ in range(3):
            with suppress(GeneratorExit):
                yield {"loss": 1.0}

    trial = LoopRun(experiment(minimize="loss")(loop), Trial(7, 0, {}))
    trial.advance()
    assert "generator ignored GeneratorExit" in (trial.end(State.PRUNED, "why").why or "")
