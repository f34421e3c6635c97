"""`docs/catalogue/` says what the plugins are today, and its pictures show what they do."""

import doctest
import importlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import catalogue
from catalogue.__main__ import FOLDER
from catalogue.docstrings import docstring_of
from catalogue.entries import entries, takes
from catalogue.pages import texts
from catalogue.paths import COARSE, RATES, STEPS, VALLEY, candidates, paths
from catalogue.pictures import Picture, pictures
from catalogue.plots import numbers_in
from tunelab.models import Quadratic
from tunelab.optimizers import SAM, Momentum, Muon, Switch
from tunelab.plugins import CONTRACTS, listings, load
from tunelab.schedules import WSD, Then

STALE = "docs/catalogue/{} is stale: run `make catalogue` (or `python -m catalogue`), and look at what it changes"
CLOSE = 2e-3
"""Last digits differ between machines, and a path stretches some of them."""


@pytest.fixture(scope="module")
def drawn() -> dict[str, Picture]:
    return pictures()


def test_every_page_says_what_the_plugins_say(drawn: Mapping[str, Picture]) -> None:
    for name, text in texts(drawn).items():
        written = (FOLDER / name).read_text(encoding="utf-8") if (FOLDER / name).exists() else ""
        assert written == text, STALE.format(name)


def test_every_picture_shows_what_the_plugins_do(drawn: Mapping[str, Picture]) -> None:
    for name, picture in drawn.items():
        assert (FOLDER / name).exists(), STALE.format(name)
        shown = numbers_in((FOLDER / name).read_text(encoding="utf-8"))
        assert list(shown) == list(picture.numbers), STALE.format(name)
        for label, numbers in picture.numbers.items():
            assert shown[label] == pytest.approx(numbers, rel=CLOSE, abs=CLOSE), STALE.format(name)


def test_nothing_else_is_there(drawn: Mapping[str, Picture]) -> None:
    for path in FOLDER.iterdir():
        assert path.name in drawn or path.name in texts(drawn), STALE.format(path.name)


def test_every_plugin_of_tunelab_is_there_and_no_others() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for kind in CONTRACTS:
        for name, claims in listings(kind).items():
            assert (f"#{name})" in index) == (claims[0].distribution == "tunelab"), name


def test_a_picture_is_small() -> None:
    for path in FOLDER.glob("*.svg"):
        assert path.stat().st_size < 15_000, path.name


def test_a_picture_is_drawn_alike_twice_and_keeps_its_numbers(drawn: Mapping[str, Picture]) -> None:
    for name in ("optimizer-adam.svg", "schedule-wsd.svg"):
        svg = drawn[name].draw()
        assert svg == drawn[name].draw()
        assert numbers_in(svg) == drawn[name].numbers


def test_a_path_begins_at_the_start_and_takes_the_rules_first_step() -> None:
    (sgd,) = (entry for entry in entries("optimizer") if entry.name == "sgd")
    path = paths([sgd])["sgd"]
    assert path.points.shape == (STEPS + 1, 2)
    rate = float(path.label.removeprefix("lr = "))
    value, slope = VALLEY.value_and_gradient(np, np.array([[VALLEY.start]]))
    assert path.points[0].tolist() == list(VALLEY.start)
    assert path.points[1] == pytest.approx(path.points[0] - rate * slope[0, 0], rel=1e-12)
    assert path.value < value[0, 0]


def test_a_wrapper_is_tried_around_each_of_those_that_it_wraps() -> None:
    tried = candidates(SAM)
    assert [label for label, _ in tried] == [f"inner: {label}" for label, _ in candidates(Momentum)]
    assert {type(rule) for _, rule in tried} == {SAM}


def test_both_rates_of_a_switch_are_tried() -> None:
    tried = [rule for _, rule in candidates(Switch)]
    assert len({(rule.first.rule.lr, rule.second.rule.lr) for rule in tried}) == (RATES // COARSE) ** 2  # type: ignore[attr-defined]


def test_all_rates_of_a_rule_move_together() -> None:
    label, rule = candidates(Muon)[0]
    assert (label, rule.lr) == ("lr = 1e-05, adam_lr = 1e-06", 1e-5)


def test_a_docstring_is_taken_apart() -> None:
    says = docstring_of(WSD)
    assert says.summary.startswith("Warm-up, stable, decay")
    assert [is_equation for _, is_equation in says.body] == [True, False]
    assert "\nfactor(t) = 1 - (1 - final) * q " in says.body[0][0]
    assert says.fields["shape"] == "along which line it falls."
    assert says.source.startswith("Hägele et al.")
    assert ">>>" not in str(says)


def test_what_a_field_takes_is_said_in_words() -> None:
    assert takes(WSD, "shape") == '"linear" or "1-sqrt"'
    assert takes(Then, "first") == "schedule"
    assert takes(Quadratic, "curvature") == "number > 0, ..."
    assert takes(load("dataset", "file"), "target") == "text, or nothing"


@pytest.mark.parametrize("path", sorted(Path(catalogue.__file__).parent.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_examples_run(path: Path) -> None:
    assert doctest.testmod(importlib.import_module(f"catalogue.{path.stem}")).failed == 0
