"""The text of the catalogue's pages, in Markdown."""

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from catalogue.entries import Entry, Field, entries
from tunelab.plugins import Kind

NOTE = "<!-- Made from the plugins by `make catalogue`; change those, not this. -->"


class Page(NamedTuple):
    """One page.

    Attributes:
        kind: of the plugins that it describes.
        about: what a reader has to know first.
        alt: what a plugin's picture shows, `{name}` standing for the plugin.
    """

    kind: Kind
    title: str
    about: str
    alt: str = ""


PAGES: Mapping[str, Page] = {
    "optimizers.md": Page(
        "optimizer",
        "Optimizers",
        "How one step changes the parameters. In the equations theta are the parameters, g_t is the gradient at "
        "theta_(t-1), lr_t the learning rate of step t = 1, 2, ... after warm-up and schedule, and products, squares "
        "and roots are taken element by element unless it says otherwise.\n\n"
        "Each picture is the path on the model [rosenbrock](models.md#rosenbrock) from its start (ring) towards the "
        "minimum (cross), trained by tunelab in float64 without noise: 500 steps at a constant learning rate, a dot at "
        "the last. Searched ranges are meant for neural networks, so the learning rate is the best, by the value in "
        "the end, of 100 from a hundredth of its range's lower end to a hundred times its upper end; all else is at "
        "its default. Two parameters show how a rule moves, not which rule is better.",
        "The path of {name} on Rosenbrock's valley",
    ),
    "schedules.md": Page(
        "schedule",
        "Schedules",
        "What the learning rate is multiplied by at step t = 0, 1, ..., total - 1 of a training; t and total are "
        "counted from the end of the experiment's `warmup`, if there is one.\n\n"
        "Each picture is the factor over a training of 400 steps (40 epochs): the default as a thick line, and both "
        "ends of the first searched range as thin ones. A schedule that follows a metric is shown a loss that falls "
        "over the first fifth of the training and then stands still.",
        "The factor of {name} over a training",
    ),
    "models.md": Page("model", "Models", "What is trained: networks for data, and functions that need none."),
    "datasets.md": Page("dataset", "Data sets", "Where the rows come from."),
}


def texts(pictured: Container[str]) -> dict[str, str]:
    """Return the text of every page, by file name; `pictured` are the pictures that there are."""
    found = {kind: entries(page.kind) for kind, page in PAGES.items()}
    return {"README.md": _index(found)} | {name: _page(PAGES[name], found[name], pictured) for name in PAGES}


def picture_of(entry: Entry) -> str:
    """Return the file name of a plugin's picture."""
    return f"{entry.kind}-{entry.name}.svg"


def _index(found: Mapping[str, tuple[Entry, ...]]) -> str:
    def lines() -> Iterator[str]:
        yield NOTE
        yield "# Catalogue"
        yield (
            "Every plugin that comes with tunelab: its equation, its fields with default and range, and what it looks "
            'like. A name as it stands here is what an experiment takes (`optimizer="adam"`); `tunelab plugins` '
            "lists the same, and the plugins of other distributions that are installed."
        )
        for name, own in found.items():
            yield f"## [{PAGES[name].title}]({name})"
            yield ", ".join(f"[{entry.name}]({name}#{entry.name})" for entry in own)

    return "\n\n".join(lines()) + "\n"


def _page(page: Page, own: tuple[Entry, ...], pictured: Container[str]) -> str:
    contents = _table(("name", ""), ((f"[{entry.name}](#{entry.name})", escaped(entry.says.summary)) for entry in own))
    parts = [NOTE, f"# {page.title}", f"[Catalogue](README.md). {page.about}", contents]
    for entry in own:
        picture = f"![{page.alt.format(name=entry.name)}]({picture_of(entry)})"
        parts += _section(entry, [picture] if picture_of(entry) in pictured else [])
    return "\n\n".join(parts) + "\n"


def _section(entry: Entry, picture: list[str]) -> Iterator[str]:
    """Yield what is said of a plugin, piece by piece."""
    yield f"## {entry.name}"
    yield escaped(entry.says.summary)
    yield f"`from {_home(entry)} import {entry.plugin.__name__}`"
    for text, is_equation in entry.says.body:
        yield f"```text\n{text}\n```" if is_equation else escaped(text)
    yield from picture
    if entry.fields:
        yield _table(("field", "default", "takes", "searched", "meaning"), map(_cells, entry.fields))
    if entry.says.source:
        yield f"Source: {escaped(entry.says.source)}"


def _home(entry: Entry) -> str:
    return entry.plugin.__module__.rpartition(".")[0]


def _cells(field: Field) -> tuple[str, ...]:
    return (f"`{field.name}`", *map(escaped, (field.default, field.takes, field.searched, field.meaning)))


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, but for code between backticks.

    >>> print(escaped("|a| * b_1, see `c_d`"))
    \\|a\\| \\* b\\_1, see `c_d`
    """
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([\\*_<\[|~])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)
