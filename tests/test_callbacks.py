"""A training that calls back, drawn report by report: never both at once, and it unwinds when no more is wanted."""

import contextvars
import gc
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tunelab.callbacks import Closed, Report, reports_of


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())  # some of which are other tests', and may end meanwhile
    yield
    assert set(threading.enumerate()) <= before


def counting(report: Report) -> None:
    for number in range(5):
        report({"loss": number})


def test_reports_come_in_order_and_end() -> None:
    assert list(reports_of(counting)) == [{"loss": number} for number in range(5)]


def test_a_training_without_reports_ends() -> None:
    assert list(reports_of(lambda report: None)) == []


def test_training_goes_on_only_when_the_next_report_is_wanted() -> None:
    story: list[str] = []

    def fit(report: Report) -> None:
        for number in range(3):
            story.append(f"train {number}")
            report({"loss": number})
        story.append("end")

    story.extend(f"seen {metrics['loss']}" for metrics in reports_of(fit))
    assert story == ["train 0", "seen 0", "train 1", "seen 1", "train 2", "seen 2", "end"]


def test_nothing_trains_before_the_first_report_is_wanted() -> None:
    started: list[int] = []
    generator = reports_of(lambda report: started.append(1))
    assert not started
    generator.close()  # type: ignore[attr-defined]
    assert not started


def test_closing_unwinds_the_training_and_waits_for_it() -> None:
    story: list[str] = []

    def fit(report: Report) -> None:
        try:
            for number in range(5):
                report({"loss": number})
                story.append(f"after {number}")
        except BaseException as error:
            story.append(type(error).__name__)
            raise
        finally:
            story.append("finally")

    generator = reports_of(fit)
    assert list(islice(generator, 2)) == [{"loss": 0}, {"loss": 1}]
    generator.close()  # type: ignore[attr-defined]
    assert story == ["after 0", "Closed", "finally"]


def test_a_generator_that_is_forgotten_unwinds_too() -> None:
    ended: list[bool] = []

    def fit(report: Report) -> None:
        try:
            counting(report)
        finally:
            ended.append(True)

    generator = reports_of(fit)
    next(iter(generator))
    del generator
    gc.collect()
    assert ended == [True]


def test_a_training_that_catches_everything_and_goes_on_is_told_again() -> None:
    refused: list[int] = []

    def fit(report: Report) -> None:
        for number in range(5):
            try:
                report({"loss": number})
            except Closed:
                refused.append(number)

    generator = reports_of(fit)
    next(iter(generator))
    generator.close()  # type: ignore[attr-defined]
    assert refused == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_it_raises_is_raised_here_with_its_own_lines(error: BaseException) -> None:
    def fit(report: Report) -> None:
        report({"loss": 1.0})
        raise error

    generator = iter(reports_of(fit))
    next(generator)
    with pytest.raises(type(error)) as caught:
        next(generator)
    assert caught.value is error
    assert "fit" in [entry.name for entry in caught.traceback]


def test_an_error_while_it_unwinds_is_not_lost() -> None:
    def fit(report: Report) -> None:
        try:
            report({"loss": 1.0})
        finally:
            raise OSError("the disk is full")

    generator = reports_of(fit)
    next(iter(generator))
    with pytest.raises(OSError, match="the disk is full"):
        generator.close()  # type: ignore[attr-defined]


def test_an_error_of_whoever_draws_ends_it() -> None:
    ended: list[bool] = []

    def fit(report: Report) -> None:
        try:
            counting(report)
        finally:
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        drawn(fit)
    assert ended == [True]


def drawn(fit: Any) -> None:
    def outer() -> Iterator[Any]:
        yield from reports_of(fit)

    generator = outer()
    next(generator)
    generator.throw(KeyboardInterrupt)  # type: ignore[attr-defined]


def test_it_trains_in_the_context_it_is_drawn_in() -> None:
    word = contextvars.ContextVar("word", default="none")
    word.set("mine")

    def fit(report: Report) -> None:
        report({"word": word.get(), "over": np.geterr()["over"]})

    with np.errstate(over="raise"):
        assert list(reports_of(fit)) == [{"word": "mine", "over": "raise"}]
