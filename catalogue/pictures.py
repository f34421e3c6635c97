"""Every picture of the catalogue: the numbers behind it, and how it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from catalogue.entries import entries
from catalogue.factors import curves
from catalogue.pages import picture_of
from catalogue.paths import paths
from catalogue.plots import Numbers, draw_factors, draw_path, factor_numbers, path_numbers


@dataclass(frozen=True)
class Picture:
    """A picture that can be drawn.

    Attributes:
        numbers: what it shows, in short.
        draw: returns it as SVG.
    """

    numbers: Numbers
    draw: Callable[[], str]


def pictures() -> dict[str, Picture]:
    """Return the picture of every optimizer and schedule that has one, by file name."""
    optimizers, schedules = entries("optimizer"), entries("schedule")
    walked, moved = paths(optimizers), curves(schedules)
    found = {
        picture_of(entry): Picture(path_numbers(walked[entry.name]), partial(draw_path, walked[entry.name]))
        for entry in optimizers
        if entry.name in walked
    }
    return found | {
        picture_of(entry): Picture(factor_numbers(moved[entry.name]), partial(draw_factors, moved[entry.name]))
        for entry in schedules
        if entry.name in moved
    }
