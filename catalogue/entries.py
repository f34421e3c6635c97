"""What the catalogue says of a plugin: read from its docstring and its fields."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import annotated_types

from tunelab.contracts import Plugin, Search
from tunelab.plugins import Kind, listings, load, name_of

SECTION = re.compile(r"^(Attributes|Args|Raises|Returns):$")


@dataclass(frozen=True)
class Row:
    """A field of a plugin.

    Attributes:
        name, default, bounds, searched, meaning: as the table shows them.
    """

    name: str
    default: str
    bounds: str
    searched: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A plugin.

    Attributes:
        name: how an experiment names it.
        title: the class.
        about: its docstring before the fields, as paragraphs; equations are indented.
        rows: its fields.
        sources: the docstring's paragraphs behind the fields, examples left out.
    """

    name: str
    title: str
    about: tuple[str, ...]
    rows: tuple[Row, ...]
    sources: tuple[str, ...]


def entries(kind: Kind) -> list[Entry]:
    """Return tunelab's own plugins of a kind, by name."""
    own = [name for name, claims in listings(kind).items() if claims[0].distribution == "tunelab"]
    return [_entry(name, load(kind, name)) for name in own]


def _entry(name: str, plugin: type[Plugin]) -> Entry:
    paragraphs = [part for part in (inspect.getdoc(plugin) or "").split("\n\n") if not part.lstrip().startswith(">>>")]
    fields = next((part for part in paragraphs if SECTION.match(part.splitlines()[0])), "")
    about, sources = _around(paragraphs, fields)
    return Entry(name, plugin.__name__, about, tuple(_rows(plugin, _meanings(fields))), sources)


def _around(paragraphs: list[str], fields: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands before the fields and what behind; a source belongs behind, wherever it stands."""
    place = paragraphs.index(fields) if fields else len(paragraphs)
    before, behind = paragraphs[:place], paragraphs[place + 1 :]
    moved = [part for part in before if part.startswith(("Reference:", "Source:"))]
    return tuple(part for part in before if part not in moved), (*moved, *behind)


def _meanings(fields: str) -> Mapping[str, str]:
    """Return what the section says of each field: `name: text`, the text perhaps over several lines."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?= {4}\w)", fields)[1:]:
        names, _, text = block.strip().partition(": ")
        for name in names.split(", "):
            found[name] = " ".join(text.split())
    return found


def _rows(plugin: type[Plugin], meanings: Mapping[str, str]) -> Iterator[Row]:
    ranges, enough = plugin.ranges(), plugin.from_trials()
    for name, info in plugin.model_fields.items():
        default = "required" if info.is_required() else f"`{info.get_default(call_default_factory=True)!r}`"
        within = ranges.get(name)
        searched = "" if within is None else _searched(within)
        if name in enough:
            searched += f", from {enough[name]} trials on"
        yield Row(name, default, _bounds(info.metadata), searched, meanings.get(name, ""))


def _searched(within: object) -> str:
    return f"as `{name_of(within.plugin)}` is" if isinstance(within, Search) else f"`{within!r}`"


def _bounds(metadata: list[object]) -> str:
    signs = {annotated_types.Gt: ">", annotated_types.Ge: "≥", annotated_types.Lt: "<", annotated_types.Le: "≤"}
    found = []
    for bound in metadata:
        for kind, sign in signs.items():
            if isinstance(bound, kind):
                found.append(f"{sign} {getattr(bound, kind.__name__.lower()):g}")
    return ", ".join(found)
