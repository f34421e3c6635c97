"""Draw hyperparameters from what may vary, and rebuild objects from what was drawn.

A *node* is what may stand in a field of an experiment or of a plugin: a value, a range, a plugin, or a search of one.
Drawing walks a node once and yields flat parameters (`optimizer`, `optimizer.lr`, ...) under names that line up
across the alternatives of a choice. What a sampler sees tells the alternatives apart (`optimizer.adam.lr`), since the
learning rate of one rule says nothing about that of another.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tunelab.contracts import Plugin, Search, Value
from tunelab.errors import ExperimentError
from tunelab.plugins import name_of
from tunelab.space import Choice, Float, Int, Range

Node = Any
"""A value, a `Float`, `Int` or `Choice`, a plugin, or a `Search`."""


class Suggest(Protocol):
    """Decides: a sampler, a grid, or the defaults."""

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        """Return a number of the range; `default` is the plugin's own, where it has one."""

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        """Return one of the labels; `default` is the plugin's own, where it has one."""


def draw(node: Node, suggest: Suggest, name: str, path: str, default: Any = None) -> Iterator[tuple[str, Value]]:
    """Yield the flat parameters of a node, asking `suggest` for each that varies.

    Args:
        node: what stands there.
        suggest: who decides.
        name: the flat name, the same for every alternative: `optimizer.lr`.
        path: the name that the sampler sees: `optimizer.adam.lr`.
        default: the value that a plugin gives the field by itself.
    """
    if isinstance(node, Choice):
        options = alternatives(node)
        known = name_of(type(default)) if isinstance(default, Plugin) else default
        label = suggest.option(path, tuple(options), known)
        option = options[label]
        yield name, label
        if isinstance(option, Plugin | Search):
            yield from _fields(option, suggest, name, f"{path}.{label}")
    elif isinstance(node, Float | Int):
        known = default if isinstance(default, int | float) else None  # a field may have "own" for a default
        yield name, suggest.number(path, node, known)
    elif isinstance(node, Plugin | Search):
        yield name, name_of(_class(node))
        yield from _fields(node, suggest, name, path)
    else:
        yield name, node


def rebuild(node: Node, params: Mapping[str, Value], name: str) -> Any:
    """Return the value or plugin that the flat parameters stand for; the inverse of `draw`.

    Raises:
        ExperimentError: a parameter that is missing or not of this experiment.
    """
    if not isinstance(node, Range | Search):
        return node
    if name not in params:
        raise ExperimentError(f"the parameter {name!r} is missing; given: {', '.join(sorted(params))}")
    if isinstance(node, Choice):
        options = alternatives(node)
        if params[name] not in options:
            known = ", ".join(map(str, options))
            raise ExperimentError(f"{name}={params[name]!r} is not an option of this experiment: {known}")
        option = options[params[name]]
        return rebuild(option, params, name) if isinstance(option, Plugin | Search) else option
    if isinstance(node, Search):
        return node.plugin(**{field: rebuild(value, params, f"{name}.{field}") for field, value in node.fields.items()})
    return params[name]


def alternatives(choice: Choice) -> dict[Value, Node]:
    """Return a choice's options by label: a plugin's name (numbered where it comes twice), or the value itself."""
    found: dict[Value, Node] = {}
    for option in choice.options:
        label: Value = name_of(_class(option)) if isinstance(option, Plugin | Search) else option
        twins = sum(1 for known in found if str(known).split("#")[0] == label)
        found[f"{label}#{twins + 1}" if twins else label] = option
    return found


def chosen(node: Node, params: Mapping[str, Value], name: str) -> Iterator[type[Plugin]]:
    """Yield the classes of the plugins that the flat parameters stand for, without making one."""
    node = alternatives(node)[params[name]] if isinstance(node, Choice) else node
    if isinstance(node, Plugin | Search):
        yield _class(node)
        for field, value in _given(node).items():
            yield from chosen(value, params, f"{name}.{field}")


def classes(node: Node) -> Iterator[type[Plugin]]:
    """Yield the class of every plugin that may be drawn, those inside of others too."""
    if isinstance(node, Choice):
        for option in node.options:
            yield from classes(option)
    if isinstance(node, Plugin | Search):
        yield _class(node)
        for value in _given(node).values():
            yield from classes(value)


def varies(node: Node) -> bool:
    """Return whether anything in the node is searched."""
    if isinstance(node, Search):
        return any(map(varies, node.fields.values()))
    return isinstance(node, Range)


def settled(search: Search) -> Plugin | Search:
    """Return the search, or the plugin that it has come down to, if nothing of it varies."""
    return search if varies(search) else search.plugin(**search.fields)


def _fields(node: Plugin | Search, suggest: Suggest, name: str, path: str) -> Iterator[tuple[str, Value]]:
    given = _given(node)
    for field, info in _class(node).model_fields.items():
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        value = given.get(field)
        if varies(value) or isinstance(value, Plugin | Search | Value):
            yield from draw(value, suggest, f"{name}.{field}", f"{path}.{field}", default)


def _given(node: Plugin | Search) -> dict[str, Node]:
    """Return what stands in each field: what was given, or the default."""
    if isinstance(node, Plugin):
        return dict(node)
    fields = node.plugin.model_fields.items()
    return {name: info.get_default(call_default_factory=True) for name, info in fields} | dict(node.fields)


def _class(node: Plugin | Search) -> type[Plugin]:
    return node.plugin if isinstance(node, Search) else type(node)
