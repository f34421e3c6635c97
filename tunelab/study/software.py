"""With which software a study runs: what may make the same trial come out otherwise another time."""

import platform
import sys
from collections.abc import Iterator
from functools import singledispatch
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np

from tunelab.contracts import Plugin
from tunelab.drawing import classes
from tunelab.experiments import Experiment
from tunelab.loop import Loop
from tunelab.plugins import CONTRACTS, listings
from tunelab.searchable import Searchable


def versions_of(experiment: Searchable) -> dict[str, str]:
    """Return the versions of all that has a part in training an experiment, by the name of the distribution.

    Python, tunelab and NumPy; PyTorch where it computes; the distributions that brought the plugins; and the packages
    of a person's own functions and losses. What a loop uses is what its file imports.

    >>> from tunelab.models import Quadratic
    >>> list(versions_of(Experiment(name="bowl", model=Quadratic(), optimizer="sgd")))
    ['python', 'tunelab', 'numpy']
    """
    found = {"python": platform.python_version()}
    for package in ("tunelab", "numpy", *_packages(experiment)):
        known = _version(package)
        if known is not None:
            found[package] = known
    for plugin in _plugins(experiment):
        found.update(_brought(plugin))
    return found


def platform_now() -> str:
    """Return what else decides how a number is rounded: system, processor, C library and linear algebra."""
    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    simd = config["SIMD Extensions"]
    features = [*simd.get("baseline", ()), *simd.get("found", ())]
    parts = (
        f"{platform.system()} {platform.machine()}",
        " ".join(features),
        " ".join(platform.libc_ver()),
        f"{blas['name']} {blas['version']}",
    )
    return ", ".join(part.strip() for part in parts if part.strip())


def _plugins(experiment: Searchable) -> Iterator[type[Plugin]]:
    """Yield the class of every plugin that may have a part in it, its data set's too."""
    for node in experiment.nodes.values():
        yield from classes(node)
    if isinstance(experiment, Experiment) and experiment.data is not None:
        yield type(experiment.data)


@singledispatch
def _packages(experiment: Searchable) -> Iterator[str]:
    """Yield the packages that an experiment of this kind uses beside its plugins."""
    yield from ()


@_packages.register
def _(experiment: Experiment) -> Iterator[str]:
    if experiment.backend != "numpy":
        yield "torch"
    for own in (experiment.loss, *experiment.metrics.values()):
        if callable(own):
            yield _package(own)


@_packages.register
def _(experiment: Loop) -> Iterator[str]:
    named = getattr(experiment.function, "__globals__", {}).values()
    yield from sorted({_package(each) for each in named} - {"builtins"})


def _package(thing: Any) -> str:
    """Return the package of a module, or of what a module holds, as far as it says so."""
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else "builtins"


def _brought(plugin: type[Plugin]) -> dict[str, str]:
    """Return the distribution that brought a plugin, or the class that it is made of, with its version."""
    made = plugin.made_of()
    thing = plugin if made is None else made[1]
    target = f"{plugin.__module__}:{plugin.__qualname__}"
    for kind, contract in CONTRACTS.items():
        for claims in listings(kind).values() if issubclass(plugin, contract) else ():
            if claims[0].target == target:
                return {claims[0].distribution: claims[0].version}
    package = _package(thing)
    known = _version(package)
    return {} if known is None else {package: known}


def _version(package: str) -> str | None:
    """Return a distribution's version, or that of a loaded package whose distribution is called otherwise."""
    try:
        return version(package)
    except PackageNotFoundError:
        known = getattr(sys.modules.get(package), "__version__", None)
        return known if isinstance(known, str) else None
