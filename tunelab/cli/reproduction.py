"""What came of training a trial again: for people, and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite
from typing import Any

import typer

from tunelab.study.compare import Comparison
from tunelab.study.reproduce import Reproduction


def json_line(found: Reproduction) -> str:
    """Return one line of JSON: what is equal, where each metric first differs, and what has changed since."""
    trial = found.trial
    return json.dumps(
        {
            "run_id": trial.run_id,
            "study": trial.study,
            "trial": trial.number,
            "state": trial.state,
            "equal": found.equal,
            "exact": found.exact,
            "tolerance": found.tolerance,
            "ended": found.ended,
            "metrics": {each.metric: _plain(each) for each in found.comparisons},
            "changes": [asdict(change) for change in found.changes],
            "versions_recorded": bool(trial.versions),
            "seconds": round(found.seconds, 3),
        }
    )


def print_reproduction(found: Reproduction) -> None:
    """Print whether the trial came out as it did, the curves in a table, and what may have made a difference."""
    verdict, color = ("equal", "green") if found.equal else ("different", "red")
    typer.echo(f"{found.trial.title} ({found.trial.state}): ", nl=False)
    typer.secho(verdict, fg=color, bold=True, nl=False)
    typer.echo(f"{_how(found)}; {found.seconds:.1f} s")
    if found.comparisons:
        _print_table(found.comparisons)
    for line in _differences(found):
        typer.echo(line)
    for line in _causes(found):
        typer.echo(line)


def _how(found: Reproduction) -> str:
    if not found.comparisons and found.equal:
        return ": it ended before its first epoch did, as before"
    if found.exact:
        return ", bit for bit"
    if found.equal:
        return f", to {found.tolerance:g} relatively"
    return " from what MLflow holds" + (f", by more than {found.tolerance:g} relatively" if found.tolerance else "")


def _differences(found: Reproduction) -> Iterator[str]:
    if found.ended:
        yield f"end: {found.ended}"
    for each in found.comparisons:
        if each.differing:
            first = each.differing[0]
            count = f"{len(each.differing)} of {each.points} epochs"
            yield (
                f"{each.metric}: first at epoch {first.epoch}: expected {_whole(first.recorded)}, "
                f"found {_whole(first.found)}; {count} in all"
            )


def _causes(found: Reproduction) -> Iterator[str]:
    effect = "changed since, to no effect" if found.exact else "changed since" if found.equal else "may be why"
    for change in found.changes:
        yield f"{effect}: {change}"
    if not found.trial.versions:
        yield "note: with which versions it was run is not recorded; an earlier tunelab wrote this run"
    if not found.equal and not found.changes:
        yield (
            "nothing that was recorded has changed; what is left is code that changed under the same version, "
            "metrics that were written into MLflow later, or a training that does not depend on its seed alone"
        )


def _print_table(comparisons: tuple[Comparison, ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for heading in ("epochs", "last in MLflow", "last now", "largest difference"):
        table.add_column(heading, justify="right")
    for each in comparisons:
        style = "red" if each.differing else ""
        last = each.last
        table.add_row(
            Text(each.metric), str(each.points), _short(last.recorded), _short(last.found), _far(each), style=style
        )
    Console().print(table)


def _far(each: Comparison) -> str:
    if not each.largest:
        return "none"
    return f"{each.largest:.1e}" if isfinite(each.largest) else "not comparable"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _whole(value: float | None) -> str:
    return "nothing" if value is None else repr(value)


def _jsonable(value: float | None) -> float | str | None:
    return value if value is None or isfinite(value) else str(value)


def _plain(each: Comparison) -> dict[str, Any]:
    first = each.differing[0] if each.differing else None
    return {
        "epochs": each.points,
        "differing": len(each.differing),
        "largest": each.largest if isfinite(each.largest) else None,
        "first": first and {name: _jsonable(value) for name, value in asdict(first).items()},
    }
