"""`tunelab plugins`: every plugin that is installed, with what may vary in it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import Debug, Json

if TYPE_CHECKING:
    from tunelab.plugins import Listing

PIPED_WIDTH = 160
"""Columns of the table where there is no terminal to fit it into."""


@dataclass(frozen=True)
class Hyperparameter:
    """A field of a plugin.

    Attributes:
        default: its value unless given; `required` where there is none.
        range: what a search of it searches, in words; None where it is not searched by itself.
        encoded: the range as an experiment's JSON has it.
        from_trials: how many trials a study needs to search it by itself.
    """

    name: str
    default: str
    range: str | None
    encoded: Any
    from_trials: int


@dataclass(frozen=True)
class Row:
    """A plugin, as it was announced, and its hyperparameters or why it cannot be used."""

    listing: "Listing"
    hyperparameters: tuple[Hyperparameter, ...]
    error: str | None


def plugins(
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List optimizers, schedules, models and data sets, with defaults and search ranges."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing is computed: threads that wait cost 0.07 s of CPU
    with exit_codes(debug=debug):
        found = list(rows())
        if as_json:
            typer.echo(json.dumps([_plain(row) for row in found], indent=1))
        else:
            _print_table(found)


def rows() -> Iterator[Row]:
    """Yield every announced plugin; one that cannot be loaded says why, and hides no other."""
    from tunelab.errors import PluginError
    from tunelab.plugins import CONTRACTS, listings, load

    for kind in CONTRACTS:
        for name, claims in listings(kind).items():
            try:
                hyperparameters, error = tuple(_hyperparameters(load(kind, name))), None
            except PluginError as problem:
                hyperparameters, error = (), str(problem)
            for claim in claims:
                yield Row(claim, hyperparameters, error)


def _hyperparameters(plugin: Any) -> Iterator[Hyperparameter]:
    from tunelab.encoding import encode

    ranges, from_trials = plugin.ranges(), plugin.from_trials()
    for name, info in plugin.model_fields.items():
        default = "required" if info.is_required() else _written(info.get_default(call_default_factory=True))
        within = ranges.get(name)
        enough = from_trials.get(name, 1)
        words = None if within is None else _in_words(within, enough)
        yield Hyperparameter(name, default, words, encode(within), enough)


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _in_words(within: Any, enough: int) -> str:
    from tunelab.contracts import Search
    from tunelab.plugins import name_of
    from tunelab.space import Choice

    condition = f", from {enough} trials on" if enough > 1 else ""
    if isinstance(within, Search):
        return f"as {name_of(within.plugin)} is"
    if isinstance(within, Choice):
        return f"one of {', '.join(map(_written, within.options))}{condition}"
    axes = {"log": " log", "complement_log": " log(1 - x)"}
    axis = "".join(words for flag, words in axes.items() if getattr(within, flag, False))
    step = getattr(within, "step", 1)
    return (
        f"in [{_written(within.low)}, {_written(within.high)}]{axis}{f' step {step}' if step != 1 else ''}{condition}"
    )


def _plain(row: Row) -> dict[str, Any]:
    listing = row.listing
    return {
        "kind": listing.kind,
        "name": listing.name,
        "distribution": listing.distribution,
        "version": listing.version,
        "hyperparameters": {
            own.name: {"default": own.default, "range": own.encoded, "from_trials": own.from_trials}
            for own in row.hyperparameters
        },
        "error": row.error,
    }


def _print_table(found: list[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("kind", "name", "distribution"):
        table.add_column(heading, overflow="fold")
    table.add_column("hyperparameter = default, and where it is searched")
    for row, following in zip(found, [*found[1:], None], strict=True):
        listing = row.listing
        if row.error:
            about = Text(row.error, style="red")
        else:
            about = Text("\n").join(
                Text.assemble(each.name, f" = {each.default} ", (each.range or "", "cyan"))
                for each in row.hyperparameters
            )
        last_of_kind = following is None or following.listing.kind != listing.kind
        where = f"{listing.distribution} {listing.version}"
        table.add_row(listing.kind, Text(listing.name, style="bold"), where, about, end_section=last_of_kind)
    console.print(table)
