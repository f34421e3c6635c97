"""The JSON form of what stands in an experiment's fields, and back.

    Float, Int      {"float": {"low": 0.1, "high": 1.0, "log": true}}, {"int": {...}}
    Choice          {"choice": [...]}
    a plugin        {"plugin": "adam", "fields": {"lr": 0.001, ...}}; fields may hold ranges, and
                    "own": ["beta1", ...] then names those whose range is the plugin's own
    a value         itself

A plugin that is not announced by an entry point is written as `module:Class`; one that is made of somebody's class or
function also has "of": "module:name", where that is found.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from numbers import Integral, Real
from typing import Any

from tunelab.contracts import Foreign, Plugin, Search, Value, found_at, place_of
from tunelab.drawing import Node, settled, varies
from tunelab.errors import ExperimentError
from tunelab.plugins import CONTRACTS, Kind, listings, load, name_of
from tunelab.space import Choice, Float, Int, Range

MAKERS: Mapping[Kind, str] = {"optimizer": "tunelab.optimizers.TorchOptimizer"}
"""What makes a plugin of somebody's class."""


def encode(node: Node, kind: Kind | None = None) -> Any:
    """Return the JSON form of a node; `kind` says which plugins may stand there."""
    if isinstance(node, Choice):
        return {"choice": [encode(option, kind) for option in node.options]}
    if isinstance(node, Float | Int):
        return {type(node).__name__.lower(): asdict(node)}
    if isinstance(node, Search):
        fields = {k: _encoded(node.plugin, k, v) for k, v in node.fields.items()}
        own = {"own": sorted(node.own)} if node.own else {}
        return _reference(node.plugin) | {"fields": fields} | own
    if isinstance(node, Plugin):
        plain = node.model_dump(mode="json")
        fields = {k: encode(v) if isinstance(v, Plugin) else plain[k] for k, v in node}
        return _reference(type(node)) | {"fields": fields}
    return node


def _encoded(plugin: type[Plugin], field: str, value: Any) -> Any:
    """Return the JSON form of one field of a search, in which a value may be a tuple or a function."""
    if isinstance(value, Range | Plugin | Search):
        return encode(value)
    return plugin.adapter(field).dump_python(value, mode="json")


def decode(form: Any, kind: Kind | None) -> Node:
    """Return the node that a JSON form stands for.

    Raises:
        ExperimentError: a form that is none of the above.
    """
    if not isinstance(form, dict):
        return form
    match form:
        case {"choice": list(options)}:
            return Choice(*(decode(option, kind) for option in options))
        case {"float": dict(fields)}:
            return _range(Float, fields)
        case {"int": dict(fields)}:
            return _range(Int, fields)
        case {"plugin": str(name), "fields": dict(fields)}:
            plugin = _dereference(name, kind, form.get("of"))
            values = {field: decode(value, _kind(plugin, field)) for field, value in fields.items()}
            own = _own(form.get("own", []), values)
            return Search(plugin, values, own) if any(map(varies, values.values())) else plugin(**values)
    raise ExperimentError(f"no float, int, choice or plugin: {form!r}")


def _own(names: Any, values: dict[str, Any]) -> frozenset[str]:
    """Return the fields whose range is the plugin's own: none in a form from before they were told apart."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name in values for name in names):
        raise ExperimentError(f'"own" must list some of the fields {", ".join(values)}, was {names!r}')
    return frozenset(names)


def _kind(plugin: type[Plugin], field: str) -> Kind | None:
    """Return which plugins the field holds, where its type says so: two kinds may have a plugin of one name."""
    holds = plugin.model_fields[field].annotation if field in plugin.model_fields else None
    fitting = (kind for kind, contract in CONTRACTS.items() if isinstance(holds, type) and issubclass(holds, contract))
    return next(fitting, None)


def _inside(plugin: type[Plugin], field: str, value: Node) -> Node:
    """Return what stands in one field of a search: the node that it means, where the field holds a plugin."""
    kind = _kind(plugin, field)
    return value if kind is None else node_of(value, kind)


def _range(kind: type[Float | Int], fields: dict[str, Any]) -> Range:
    try:
        return kind(**fields)
    except TypeError as error:
        raise ExperimentError(f"no {kind.__name__}: {fields!r}: {error}") from None


def _reference(plugin: type[Plugin]) -> dict[str, str]:
    made = plugin.made_of()
    if made is not None:
        maker, target = made
        return _reference(maker) | {"of": place_of(target)}
    name, target = name_of(plugin), place_of(plugin)
    announced = any(
        claim.target == target for kind in CONTRACTS for claims in listings(kind).values() for claim in claims
    )
    return {"plugin": name if announced else target}


def _dereference(name: str, kind: Kind | None, of: Any) -> type[Plugin]:
    if of is not None:
        maker = _dereference(name, kind, None)
        if not issubclass(maker, Foreign):
            raise ExperimentError(f"{name!r} is a plugin by itself, and is not made of {of!r}")
        return maker.of(of)
    if ":" in name:
        try:
            found = found_at(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ExperimentError(f"the plugin {name!r} cannot be imported here: {error}") from error
        if isinstance(found, type) and issubclass(found, Plugin):
            return found
        raise ExperimentError(f"{name!r} is no plugin")
    kinds = [kind] if kind else [known for known in CONTRACTS if name in listings(known)]
    return load(kinds[0] if kinds else "optimizer", name)


def node_of(given: Any, kind: Kind) -> Node:
    """Return the node that a spelling of a plugin field means: a name, class, instance, search or choice.

    Raises:
        ExperimentError: anything else.
        PluginError: an unknown name.
    """
    if isinstance(given, dict):
        given = decode(given, kind)
    if isinstance(given, Choice):
        return Choice(*(node_of(option, kind) for option in given.options))
    given = _opened(load(kind, given) if isinstance(given, str) else given)
    contract = CONTRACTS[kind]
    if isinstance(given, Search) and issubclass(given.plugin, contract):
        return settled(given)
    if isinstance(given, contract):
        return given
    wanted = f"a name, an instance of {contract.__name__}, {contract.__name__}.search(...), or a Choice of these"
    what = "a range" if isinstance(given, Range) else repr(given)
    maker = MAKERS.get(kind) if isinstance(given, type) else None
    hint = f"; a class of PyTorch's goes into {maker}({given.__name__}, ...)" if maker else ""
    raise ExperimentError(f"{kind}: expected {wanted}, was {what}{hint}")


def free_node_of(given: Any) -> Node:
    """Return the node that a spelling means where anything may stand: a value, a range, a plugin; text is text.

    Raises:
        ExperimentError: anything else.
    """
    if isinstance(given, dict):
        given = decode(given, None)
    if isinstance(given, Choice):
        return Choice(*(free_node_of(option) for option in given.options))
    given = _opened(given)
    if isinstance(given, Search):
        return settled(given)
    if isinstance(given, Integral | Real) and not isinstance(given, bool):  # NumPy's numbers too
        given = int(given) if isinstance(given, Integral) else float(given)
    if isinstance(given, Value | Float | Int | Plugin) and not (isinstance(given, float) and not isfinite(given)):
        return given
    raise ExperimentError(
        f"expected a Float, Int or Choice, a finite number, text, True, False, None or a plugin, was {given!r}"
    )


def _opened(given: Any) -> Any:
    """Return the search that a plugin's class means, with the plugins in it opened too; all else as it is."""
    if isinstance(given, type) and issubclass(given, Plugin):
        given = given.search()
    if not isinstance(given, Search):
        return given
    inside = {name: _inside(given.plugin, name, value) for name, value in given.fields.items()}
    return replace(given, fields=inside)
