"""Measure what the table of `docs/performance.md` says.

    python -m benchmarks                                    # everything but quality, some 25 minutes
    python -m benchmarks --only quality                     # five seeds of both sides, ten minutes
    python -m benchmarks --only first-trial adam --quick

Run it on a quiet machine: everything is measured in fresh processes of one thread each, sides that are compared take
turns, and medians count; but two processes do run beside each other on either side.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Figure, table
from benchmarks.rows import ROWS, Size

QUICK = Size(trials=20, repeats=1, seeds=1, late=400, steps=200)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--trials", type=int, help=f"of a study; {Size.trials} by default")
    parser.add_argument("--repeats", type=int, help=f"of whatever is compared; {Size.repeats} by default")
    parser.add_argument("--seeds", type=int, help=f"of quality; {Size.seeds} by default")
    parser.add_argument("--late", type=int, help=f"trial whose engine cost counts; {Size.late:,} by default")
    parser.add_argument("--quick", action="store_true", help="small studies, once: proves that it works, says little")
    parser.add_argument("--output", type=Path, help="a Markdown file for the table; its .json gets every figure")
    args = parser.parse_args()
    given = {name: getattr(args, name) for name in ("trials", "repeats", "seeds", "late") if getattr(args, name)}
    size = Size(**asdict(QUICK if args.quick else Size()) | given)
    figures: list[Figure] = []
    for name in args.only or [row for row in ROWS if row != "quality"]:
        began = time.perf_counter()
        for figure in ROWS[name](size):
            figures.append(figure)
            print(f"{figure.name}: {'  '.join(figure.cells()[1:])}", flush=True)
        print(f"  ({name}: {time.perf_counter() - began:.0f} s)", flush=True)
        if args.output:
            write(args.output, figures, size)
    print(f"\n{about(size)}\n\n{table(figures)}")


def write(file: Path, figures: list[Figure], size: Size) -> None:
    """Write the table, and beside it every value."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{about(size)}\n\n{table(figures)}\n")
    plain = [asdict(figure) | {"measured": figure.measured, "verdict": figure.verdict} for figure in figures]
    file.with_suffix(".json").write_text(json.dumps({"about": about(size), "figures": plain}, indent=1))


def about(size: Size) -> str:
    """Return what was run, with what, and on what."""
    machine = f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()})"
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "optuna", "mlflow", "torch"))
    return (
        f"{time.strftime('%Y-%m-%d')}, {machine}, Python {platform.python_version()}, {packages}: "
        f"{size.trials} trials a study, medians of {size.repeats}. Load when it ended: {os.getloadavg()[0]:.1f}."
    )


if __name__ == "__main__":
    main()
