"""The catalogue in docs is the plugins' own word: it fails here when a docstring, a field or a curve has moved on."""

from collections.abc import Mapping

import numpy as np
import pytest

from catalogue.__main__ import HOME
from catalogue.curves import curves
from catalogue.entries import entries
from catalogue.pages import KINDS, pages
from catalogue.paths import STEPS, paths
from catalogue.plots import curve_figures, figures_of, path_figures
from tunelab.plugins import Kind

STALE = "docs/catalogue is stale: run `make catalogue` and commit what it writes"


def figures() -> dict[str, Mapping[str, list[float]]]:
    of_paths = {name: path_figures(path) for name, path in paths().items()}
    return of_paths | {name: curve_figures(curve) for name, curve in curves().items()}


@pytest.mark.parametrize("file", ["README.md", *(file for file, _, _ in KINDS.values())])
def test_a_page_says_what_the_plugins_say(file: str) -> None:
    assert (HOME / file).read_text() == pages()[file], STALE


def test_every_plot_shows_what_the_plugin_does_today() -> None:
    found = figures()
    assert {file.stem for file in (HOME / "plots").iterdir()} == set(found), STALE
    for name, fresh in found.items():
        drawn = figures_of(HOME / "plots" / f"{name}.svg")
        assert drawn.keys() == fresh.keys(), f"{name}: {STALE}"
        for line, values in fresh.items():
            np.testing.assert_allclose(drawn[line], values, atol=2e-3, rtol=1e-3, err_msg=f"{name}, {line}: {STALE}")


def test_every_path_is_whole() -> None:
    assert {name for name, path in paths().items() if len(path.points) != STEPS + 1} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_explained(kind: Kind) -> None:
    for entry in entries(kind):
        assert entry.about, entry.name
        for row in entry.rows:
            assert row.meaning, f"{entry.name}: the docstring says nothing of {row.name}"


@pytest.mark.parametrize("kind", ["optimizer", "schedule"])
def test_every_rule_has_an_equation(kind: Kind) -> None:
    for entry in entries(kind):
        assert any(part.startswith("    ") for part in entry.about), f"{entry.name} has no equation"


def test_every_optimizer_names_its_source() -> None:
    for entry in entries("optimizer"):
        assert any("Reference:" in part for part in entry.sources), f"{entry.name} names no source"
