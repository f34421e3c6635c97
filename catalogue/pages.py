"""The pages of the catalogue, in Markdown."""

from collections.abc import Iterator

from catalogue.entries import Entry, entries
from tunelab.plugins import Kind

KINDS: dict[Kind, tuple[str, str, str]] = {
    "optimizer": (
        "optimizers.md",
        "Optimizers",
        "The plots show the path on Rosenbrock's valley, from (-0.5, 1.5) towards (1, 1), at that learning rate, of "
        "five over the rule's own range and one beyond each end, which ends lowest after 200 steps: how a rule moves, "
        "not how well it trains.",
    ),
    "schedule": (
        "schedules.md",
        "Schedules",
        "The plots show the factor over a training of 100 steps: for the defaults, and for both ends of the first "
        "range that is searched.",
    ),
    "model": ("models.md", "Models", ""),
    "dataset": ("datasets.md", "Data sets", ""),
}

NOTE = "<!-- Written by `make catalogue` from the plugins' own docstrings and fields: change those. -->"


def pages() -> dict[str, str]:
    """Return the text of every page by file name."""
    found = {file: _page(kind, title, about) for kind, (file, title, about) in KINDS.items()}
    return {"README.md": _index()} | found


def _index() -> str:
    lines = [
        NOTE,
        "",
        "# Catalogue",
        "",
        "Every plugin that comes with tunelab, with its equation, fields and ranges.",
        "",
    ]
    for kind, (file, title, _) in KINDS.items():
        names = ", ".join(f"[{entry.name}]({file}#{entry.name})" for entry in entries(kind))
        lines += [f"- [{title}]({file}): {names}"]
    return "\n".join([*lines, ""])


def _page(kind: Kind, title: str, about: str) -> str:
    found = entries(kind)
    lines = [NOTE, "", f"# {title}", ""]
    lines += [about, ""] if about else []
    lines += [", ".join(f"[{entry.name}](#{entry.name})" for entry in found), ""]
    for entry in found:
        lines += _section(entry, plot=kind in ("optimizer", "schedule"))
    return "\n".join(lines)


def _section(entry: Entry, *, plot: bool) -> Iterator[str]:
    yield from (f"## {entry.name}", "", f"`{entry.title}`", "")
    for paragraph in entry.about:
        yield from (*_paragraph(paragraph), "")
    if plot:
        yield from (f"![{entry.name}](plots/{entry.name}.svg)", "")
    if entry.rows:
        yield "| field | default | bounds | searched | meaning |"
        yield "|---|---|---|---|---|"
        for row in entry.rows:
            cells = (f"`{row.name}`", row.default, row.bounds, row.searched, row.meaning)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""
    for paragraph in entry.sources:
        yield from (*_paragraph(paragraph), "")


def _paragraph(text: str) -> Iterator[str]:
    """Yield a paragraph on one line, or what is indented as it is, in a block of code."""
    if text.startswith("    "):
        yield from ("```text", *(line.removeprefix("    ") for line in text.splitlines()), "```")
    else:
        yield " ".join(text.split())
