"""The catalogue's pictures, as SVG, each with the numbers that it shows.

Pictures move with matplotlib's version, and last digits with the machine, so what a picture must agree with is not its
bytes but its numbers: a few of them, rounded, stand in its metadata.
"""

import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from catalogue.factors import EPOCHS, STEPS_AN_EPOCH, Curves
from catalogue.paths import STEPS, VALLEY, Path

Numbers = dict[str, list[float]]
"""What a picture shows: labels, and some of the numbers behind each."""

STYLE: Any = {
    "svg.hashsalt": "tunelab",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "xtick.color": "#5b616b",
    "ytick.color": "#5b616b",
    "axes.labelcolor": "#5b616b",
    "figure.facecolor": "#ffffff",
}
LEGEND: Mapping[str, Any] = {
    "frameon": False,
    "fontsize": 9,
    "columnspacing": 1.5,
    "handlelength": 1.5,
    "labelcolor": "#24292f",
}
BLUE, ORANGE, GREEN, GREY = "#1f6feb", "#d9730d", "#2e8b57", "#b9bec7"

X, Y = (-1.6, 1.6), (-0.6, 2.1)
LEVELS = np.geomspace(0.5, 1000, 6)
SHOWN = 25
"""Numbers of each line that its picture remembers."""


SHORTER = {
    r"font-family: [^;]+": "font-family: sans-serif",
    r" transform=\"rotate\(-0 [^\"]+\"": "",
    r" \n(?=[LCMz])": " ",
    r"\n +": "\n",
}
"""What makes a picture smaller and changes nothing that is seen."""


def path_numbers(path: Path) -> Numbers:
    """Return what the picture of a path must agree with."""
    return {f"x, {path.label}": _some(path.points[:, 0]), f"y, {path.label}": _some(path.points[:, 1])}


def factor_numbers(curves: Curves) -> Numbers:
    """Return what the picture of a schedule must agree with."""
    return {label: _some(values) for label, values in curves.items()}


def _some(values: np.ndarray) -> list[float]:
    """Return some of the numbers, the first and the last among them, to three places."""
    places = np.linspace(0, len(values) - 1, SHOWN).round().astype(int)
    return [round(float(values[place]), 3) for place in places]


def draw_path(path: Path) -> str:
    """Return the picture of a path over the valley's contours."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.subplots()
        for height in LEVELS:
            axes.plot(*contour(height), color=GREY, linewidth=0.7)
        axes.plot(*path.points.T, color=BLUE, linewidth=1.4)
        axes.plot(*VALLEY.start, "o", color=BLUE, markerfacecolor="#ffffff", markersize=6)
        axes.plot(1, 1, "x", color=ORANGE, markersize=8, markeredgewidth=2, zorder=4)
        axes.plot(*path.points[-1], "o", color=BLUE, markersize=4, zorder=5)
        axes.set(xlim=X, ylim=Y, xlabel="x", ylabel="y", xticks=(-1, 0, 1), yticks=(0, 1, 2))
        said = f"{path.label};  f = {path.value:.1g} after {STEPS} steps"
        axes.set_title(said, fontsize=10, loc="left", color="#24292f")
        return _svg(figure, path_numbers(path))


def contour(height: float) -> np.ndarray:
    """Return the points `(2, n)` where the valley is so high: above its floor y = x^2 and back below it, exactly.

    >>> points = contour(4.0).T[:, None]
    >>> values, _ = VALLEY.value_and_gradient(np, points)
    >>> bool(np.allclose(values, 4.0))
    True
    """
    reach, edge = np.sqrt(height), 0.1
    low, high = max(X[0] - edge, 1 - reach), min(X[1] + edge, 1 + reach)
    x = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, 32))) / 2
    above = np.sqrt(np.maximum(height - (1 - x) ** 2, 0)) / 10
    return np.array([[*x, *x[::-1]], [*(x**2 + above), *(x**2 - above)[::-1]]])


def draw_factors(curves: Curves) -> str:
    """Return the picture of a schedule's factors."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 2.4), layout="constrained")
        axes = figure.subplots()
        for index, (label, values) in enumerate(curves.items()):
            color, width = (BLUE, 2.2) if index == 0 else ((ORANGE, GREEN)[index - 1], 1.2)
            axes.plot(values, color=color, linewidth=width, label=label or None, zorder=3 - 0.1 * index)
        axes.set(xlim=(0, EPOCHS * STEPS_AN_EPOCH), ylim=(-0.04, 1.06), xlabel="step", ylabel="factor")
        axes.set(xticks=range(0, EPOCHS * STEPS_AN_EPOCH + 1, 100), yticks=(0, 0.5, 1))
        axes.grid(color="#e6e8eb", linewidth=0.7)
        if len(curves) > 1:
            figure.legend(loc="outside upper left", ncols=3, **LEGEND)
        return _svg(figure, factor_numbers(curves))


def _svg(figure: Figure, numbers: Numbers) -> str:
    file = StringIO()
    about = {"Date": None, "Creator": None, "Description": json.dumps(numbers)}
    figure.savefig(file, format="svg", metadata=about)
    text = re.sub(r"(?<= [dxy]=\")[^\"]+", _rounded, file.getvalue())
    for pattern, instead in SHORTER.items():
        text = re.sub(pattern, instead, text)
    return text


def _rounded(coordinates: re.Match[str]) -> str:
    """Return coordinates to a tenth of a point, which is finer than a screen."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), coordinates[0])


def numbers_in(svg: str) -> Numbers:
    """Return the numbers that a picture remembers.

    >>> numbers_in(draw_factors({"": np.ones(400)}))[""][:2]
    [1.0, 1.0]
    """
    described = ElementTree.fromstring(svg).find(".//{http://purl.org/dc/elements/1.1/}description")
    return dict(json.loads(described.text or "")) if described is not None else {}
