from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, ConsoleDimensions

from tunelab.cli.live_table import draw

from .snapshots import SCOPE, snapshot


def drawn(width: int, height: int, stopping: str = "", **fields: int) -> str:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(draw(snapshot(**fields), SCOPE, ConsoleDimensions(width, height), stopping))
    return captured.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 10), (60, 12)])
def test_it_fits_and_shows_all(width: int, height: int) -> None:
    text = drawn(width, height)
    lines = text.splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "…" not in text
    words = text.split()
    assert {"digits-3", "130/200", "01:05,", "00:35", "left", "128", "12/16", "2.0", "0.9877", "57"} <= set(words)
    assert {"optimizer.lr", "0.02712", "schedule", "cosine"} <= set(words)
    assert "epochs" not in words
    assert "optimizer.momentum" not in words


def test_a_narrow_terminal_drops_what_did_not_happen() -> None:
    assert "pruned" in drawn(80, 24)
    assert "pruned" not in drawn(60, 24)
    assert "diverged" in drawn(60, 24)


def test_the_readme_explains_every_column() -> None:
    columns = next(line.split() for line in drawn(120, 40).splitlines() if "members" in line)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert {name for name in columns if f"`{name}`" not in readme} == set()
    assert len(columns) == 8


def test_before_the_first_trial_has_ended() -> None:
    text = drawn(80, 24, done=0)
    assert "no trial is complete yet" in text
    assert "left" not in text


def test_after_the_last_trial_has_ended() -> None:
    assert "completing MLflow" in drawn(80, 24, done=200, running=0, waiting=0)
    waited = drawn(80, 24, done=200, running=0, waiting=0, shown=120)
    assert "waiting for MLflow: 120 of 200 trials shown" in waited


def test_it_says_when_it_is_being_stopped() -> None:
    assert "stopping; once more" in drawn(80, 24, stopping="stopping; once more")
