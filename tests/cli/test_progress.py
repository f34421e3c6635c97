from dataclasses import replace

import pytest

from tunelab.cli.progress import PlainLines, line, seconds_left, to_go

from .snapshots import SCOPE, snapshot


def test_a_line_says_how_far_the_study_is() -> None:
    assert line(snapshot(), SCOPE) == (
        "digits-3: 130/200 trials, 2 diverged, 12 running, 2.0 a second, best val_accuracy 0.9877, 65 s, 35 s left"
    )


def test_time_left_is_what_comes_first_of_trials_and_timeout() -> None:
    assert seconds_left(snapshot(), SCOPE) == pytest.approx(35)
    assert seconds_left(snapshot(), replace(SCOPE, timeout=70.0)) == pytest.approx(5)
    assert seconds_left(snapshot(), replace(SCOPE, timeout=10.0)) == 0
    assert seconds_left(snapshot(done=0), SCOPE) is None
    assert seconds_left(snapshot(total=None), SCOPE) is None


def test_a_study_that_goes_on_says_what_is_left_of_how_much() -> None:
    assert to_go(snapshot(done=60)) == "140 of 200 trials to go"
    assert to_go(snapshot(done=60, total=None)) == "many trials to go"


def test_plain_lines_come_at_the_start_every_few_seconds_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("tunelab.cli.progress.time.monotonic", lambda: now)
    with PlainLines(SCOPE) as lines:
        lines.show(snapshot(done=0))
        now = 104.0
        lines.show(snapshot(done=50))
        now = 106.0
        lines.show(snapshot(done=60))
        now = 108.0
        lines.show(snapshot(done=200, running=0, waiting=0))
        now = 112.0
        lines.show(replace(snapshot(done=200, running=0, waiting=0), shown=120))
        lines.show(replace(snapshot(done=200, running=0, waiting=0), shown=121))
        now = 120.0
        lines.show(replace(snapshot(done=200, running=0, waiting=0), shown=120))  # nothing came through: said already
    told = capsys.readouterr().err.splitlines()
    assert [text.split(",")[0] for text in told] == [
        "digits-3: 200 trials to go", "digits-3: 60/200 trials",
        "digits-3: waiting for MLflow: 120 of 200 trials shown; Ctrl-C loses nothing", "digits-3: 200/200 trials",
    ]  # fmt: skip
