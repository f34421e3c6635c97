"""What there is to say of each plugin that tunelab itself announces."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from catalogue.docstrings import Docstring, docstring_of
from tunelab.cli.plugins_command import Row, rows
from tunelab.contracts import Plugin
from tunelab.errors import PluginError
from tunelab.plugins import CONTRACTS, Kind, load

OWN = "tunelab"
"""The distribution whose plugins are described: a page must not depend on what else is installed."""

PLAIN = {float: "number", int: "whole number", bool: "true or false", str: "text", NoneType: "nothing"}


@dataclass(frozen=True)
class Field:
    """A hyperparameter, in words.

    Attributes:
        takes: the values that it accepts.
        searched: its range; empty where it is not searched by itself.
    """

    name: str
    default: str
    takes: str
    searched: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A plugin: its name in an experiment, its class, what its docstring says, and its fields."""

    kind: Kind
    name: str
    plugin: type[Plugin]
    says: Docstring
    fields: tuple[Field, ...]


def entries(kind: Kind) -> tuple[Entry, ...]:
    """Return the plugins of a kind that tunelab announces, by name.

    Raises:
        PluginError: one of them cannot be loaded.
    """
    return tuple(_entry(row) for row in rows() if row.listing.kind == kind and row.listing.distribution == OWN)


def _entry(row: Row) -> Entry:
    listing = row.listing
    if row.error:
        raise PluginError(row.error)
    plugin = load(listing.kind, listing.name)
    says = docstring_of(plugin)
    fields = tuple(
        Field(own.name, own.default, takes(plugin, own.name), own.range or "", says.fields[own.name])
        for own in row.hyperparameters
    )
    return Entry(listing.kind, listing.name, plugin, says, fields)


def takes(plugin: type[Plugin], name: str) -> str:
    """Return in words what a field accepts.

    >>> from tunelab.optimizers import Adam
    >>> takes(Adam, "lr"), takes(Adam, "beta1")
    ('number > 0', 'number in [0, 1)')
    """
    info = plugin.model_fields[name]
    return _in_words(info.annotation, info.metadata)


def _in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _in_words(inside[0], (*annotation.__metadata__, *metadata))
    if origin is Literal:
        return " or ".join(f'"{option}"' for option in inside)
    if origin in (Union, UnionType):
        return ", or ".join(_in_words(option, metadata) for option in inside)
    if origin is tuple:
        return f"{_in_words(inside[0])}, ..." if inside[-1] is ... else ", ".join(map(_in_words, inside))
    if origin is Callable or getattr(origin, "__name__", "") == "Callable":
        return "function"
    return _named(annotation) + _bounds(metadata)


def _named(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Plugin):
        kinds = [kind for kind, contract in CONTRACTS.items() if issubclass(annotation, contract)]
        return kinds[0] if kinds else annotation.__name__
    return PLAIN.get(annotation) or getattr(annotation, "__name__", str(annotation)).replace("ndarray", "array")


def _bounds(metadata: Sequence[Any]) -> str:
    """Return the bounds as an interval, or as a comparison where there is only one."""
    low = next(_limits(metadata, (Gt, "(", ">"), (Ge, "[", "≥")), None)
    high = next(_limits(metadata, (Lt, ")", "<"), (Le, "]", "≤")), None)
    if low and high:
        return f" in {low[0]}{low[2]:g}, {high[2]:g}{high[0]}"
    return "".join(f" {sign} {limit:g}" for _, sign, limit in filter(None, (low, high)))


def _limits(metadata: Sequence[Any], *kinds: tuple[type, str, str]) -> Iterator[tuple[str, str, float]]:
    for bound in metadata:
        for kind, bracket, sign in kinds:
            if isinstance(bound, kind):
                yield bracket, sign, float(getattr(bound, kind.__name__.lower()))
