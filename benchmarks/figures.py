"""A measured figure beside what it must reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what was measured.
        values: one a repeat; their median counts.
        better: which way is better.
        reach, aim: the bounds, both met when equalled.
        unit: `x`, `s`, or nothing.
        note: the figures behind it.
    """

    name: str
    values: tuple[float, ...]
    better: Better
    reach: float
    aim: float
    unit: str = ""
    note: str = ""

    @property
    def measured(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def verdict(self) -> str:
        """Which bound is met."""
        for bound, word in ((self.aim, "aim"), (self.reach, "reach")):
            if self.measured >= bound if self.better == "higher" else self.measured <= bound:
                return word
        return "missed"

    def cells(self) -> list[str]:
        """Return the row: figure, measured, spread, reach, aim, met, and what is behind it."""
        spread = f"{_shown(min(self.values))} to {_shown(max(self.values))}" if len(self.values) > 1 else ""
        sign = "≥" if self.better == "higher" else "≤"
        bounds = [f"{sign} {_shown(bound)}{self.unit}" for bound in (self.reach, self.aim)]
        return [self.name, f"{_shown(self.measured)}{self.unit}", spread, *bounds, self.verdict, self.note]


HEADER = ["figure", "measured", "from, to", "reach", "aim", "met", "behind it"]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table, its columns aligned for a terminal too."""
    rows = [HEADER, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )


def _shown(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
