"""Find plugins through entry points. Here names become classes, once; below this room there are only objects.

Listing reads the installed distributions' metadata and imports nothing; loading imports one plugin and checks that
it keeps its contract before anybody else sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import Any, Literal

from tunelab.contracts import Dataset, Model, Optimizer, Plugin, Schedule, vouched_only
from tunelab.errors import InputError, PluginError, suggestion

Kind = Literal["optimizer", "schedule", "model", "dataset"]

CONTRACTS: Mapping[Kind, type[Plugin]] = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "model": Model,
    "dataset": Dataset,
}


@dataclass(frozen=True)
class Listing:
    """A plugin as its distribution announces it.

    Attributes:
        kind: which contract it keeps.
        name: how an experiment names it.
        distribution: the package that brings it.
        version: of that package.
        target: `module:Class`.
    """

    kind: Kind
    name: str
    distribution: str
    version: str
    target: str


def listings(kind: Kind) -> Mapping[str, tuple[Listing, ...]]:
    """Return every announced plugin of a kind by name; more than one under a name is a conflict, met on loading."""
    return announced()[kind]


@cache
def announced() -> Mapping[Kind, Mapping[str, tuple[Listing, ...]]]:
    """Return what the installed distributions announce, by kind and name; they are read once in a process."""
    kinds: Mapping[str, Kind] = {f"tunelab.{kind}s": kind for kind in CONTRACTS}
    found: dict[Kind, dict[str, dict[Listing, None]]] = {kind: {} for kind in CONTRACTS}
    for distribution in distributions():
        if points := [point for point in distribution.entry_points if point.group in kinds]:
            about = distribution.metadata  # parsed anew at every access
            for point in points:
                kind = kinds[point.group]
                listing = Listing(kind, point.name, about["Name"], about["Version"], point.value)
                found[kind].setdefault(point.name, {})[listing] = None
    return {kind: {name: tuple(claims) for name, claims in sorted(found[kind].items())} for kind in CONTRACTS}


def announced_places() -> frozenset[str]:
    """Return where the classes of all announced plugins are found."""
    every = (claims for plugins in announced().values() for claims in plugins.values())
    return frozenset(claim.target for claims in every for claim in claims)


@cache
def load(kind: Kind, name: str) -> type[Plugin]:
    """Return the plugin class of this kind and name.

    Raises:
        PluginError: no such name, two distributions that claim it, or a plugin that is broken.

    >>> load("optimizer", "adam").__name__
    'Adam'
    """
    known = listings(kind)
    if name not in known:
        raise PluginError(f"no {kind} named {name!r}; {suggestion(name, known)}")
    claims = known[name]
    if len(claims) > 1:
        owners = " and ".join(f"{claim.distribution} {claim.version} ({claim.target})" for claim in claims)
        raise PluginError(f"two distributions bring the {kind} {name!r}: {owners}; uninstall one")
    return _published(claims[0])


def name_of(plugin: type[Plugin]) -> str:
    """Return the name under which a class is announced, else its own (`Plugin.label`).

    >>> from tunelab.optimizers import AdamW
    >>> name_of(AdamW)
    'adamw'
    """
    target = f"{plugin.__module__}:{plugin.__qualname__}"
    for kind, contract in CONTRACTS.items():
        if issubclass(plugin, contract):
            for name, claims in listings(kind).items():
                if claims[0].target == target:
                    return name
    return plugin.label()


def _published(listing: Listing) -> type[Plugin]:
    """Import a plugin and check it against its contract."""
    where = f"{listing.kind} {listing.name!r} of {listing.distribution} {listing.version} ({listing.target})"
    try:
        with vouched_only(None):  # it is installed, and may name what it likes
            plugin: Any = EntryPoint(listing.name, listing.target, f"tunelab.{listing.kind}s").load()
    except Exception as error:
        raise PluginError(f"the {where} cannot be loaded: {type(error).__name__}: {error}") from error
    validate(plugin, CONTRACTS[listing.kind], where)
    return plugin  # type: ignore[no-any-return]


def validate(plugin: Any, contract: type[Plugin], where: str) -> None:
    """Raise `PluginError` unless `plugin` is a class that keeps the contract, its ranges within its bounds."""
    if not (isinstance(plugin, type) and issubclass(plugin, contract)):
        raise PluginError(f"the {where} must be a subclass of tunelab.contracts.{contract.__name__}, was {plugin!r}")
    missing = sorted(plugin.__abstractmethods__)
    if missing:
        kinds = "; subclass Rule, or Wrapper for what goes around a rule" if contract in plugin.__bases__ else ""
        raise PluginError(f"the {where} must define {', '.join(missing)}{kinds if contract is Optimizer else ''}")
    try:
        plugin.search()
        for name, info in plugin.model_fields.items():
            if not info.is_required():
                plugin.check(name, info.get_default(call_default_factory=True))
    except InputError as error:
        raise PluginError(f"the {where} has a range or default outside its own bounds: {error}") from None
