"""Plots as SVG files, each with its own figures in its description: what a test compares."""

import json
from pathlib import Path as File
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from catalogue.curves import Curve
from catalogue.paths import Path

STYLE: dict[Any, Any] = {"svg.hashsalt": "tunelab", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip
BLUE, GREY, ORANGE = "#1f6fb2", "#8a8a8a", "#d9822b"


def path_plot(path: Path, file: File) -> None:
    """Draw a path over the valley's contour lines."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4, 2.5), layout="constrained", facecolor="white")
        axes = figure.subplots()
        x, y = np.meshgrid(np.linspace(-1.2, 1.4, 24), np.linspace(-0.4, 2.0, 24))
        heights = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        axes.contour(x, y, np.log10(heights + 1e-3), levels=5, colors=GREY, linewidths=0.4, alpha=0.6)
        axes.plot(*path.points.T, color=BLUE, linewidth=1, marker=".", markersize=3, markevery=5)
        axes.plot(1, 1, marker="*", color=ORANGE, markersize=8)
        axes.set(
            xlim=(-1.2, 1.4), ylim=(-0.4, 2.0), title=f"{path.name}, lr = {path.lr:.3g}, {len(path.points) - 1} steps"
        )
        _save(figure, file, path_figures(path))


def curve_plot(curve: Curve, file: File) -> None:
    """Draw the factors of a schedule."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4, 2.2), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for (label, factors), colour in zip(curve.lines.items(), (BLUE, GREY, ORANGE), strict=False):
            axes.plot(factors, color=colour, label=label, linewidth=1.4 if label == "defaults" else 0.9)
        axes.set(xlabel="step", ylabel="factor", title=file.stem)
        axes.legend(frameon=False, fontsize=6)
        _save(figure, file, curve_figures(curve))


def path_figures(path: Path) -> dict[str, list[float]]:
    """Return what a path's plot shows, rounded."""
    return {"lr": [float(f"{path.lr:.6g}")], **{a: _rounded(v) for a, v in zip("xy", path.points[::10].T, strict=True)}}


def curve_figures(curve: Curve) -> dict[str, list[float]]:
    """Return what a schedule's plot shows, rounded."""
    return {label: _rounded(factors[::5]) for label, factors in curve.lines.items()}


def figures_of(file: File) -> dict[str, list[float]]:
    """Return the figures that a plot was drawn from."""
    text = file.read_text()
    found: dict[str, list[float]] = json.loads(text.split("tunelab:")[1].split("</dc:")[0])
    return found


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def _save(figure: Figure, file: File, figures: dict[str, list[float]]) -> None:
    description = f"tunelab:{json.dumps(figures)}"
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Description": description})
