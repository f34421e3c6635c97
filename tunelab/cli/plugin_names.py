"""The names that a new plugin goes by, all of them made from that of its distribution."""

import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from keyword import iskeyword
from typing import Self

from tunelab.errors import PluginError
from tunelab.plugins import Kind, listings

PREFIX = "tunelab-"
"""What a distribution may begin with and its plugin does not: `tunelab-lookahead` brings `lookahead`."""


@dataclass(frozen=True)
class PluginNames:
    """What a new plugin is called.

    Attributes:
        kind: what it adds.
        distribution: what pip installs, normalised.
        plugin: what an experiment says.
        module: what Python imports.
        title: the class.
    """

    kind: Kind
    distribution: str
    plugin: str
    module: str
    title: str

    @classmethod
    def of(cls, name: str, kind: Kind) -> Self:
        """Return the names that follow from a distribution's.

        Raises:
            PluginError: not a name that pip and Python take, or one that is taken.

        >>> PluginNames.of("tunelab-Two_Step", "optimizer").plugin
        'two-step'
        """
        if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
            raise PluginError(
                f"the name of a plugin must be letters, digits, '-', '_' and '.', begin with a letter and end with a "
                f"letter or digit, was {name!r}; for example {_near(name)!r}"
            )
        distribution = re.sub(r"[-_.]+", "-", name).lower()
        plugin = distribution.removeprefix(PREFIX)
        module = distribution.replace("-", "_")
        title = "".join(part.capitalize() for part in plugin.split("-"))
        _require_free(kind, plugin, module, title)
        return cls(kind, distribution, plugin, module, title)


def _require_free(kind: Kind, plugin: str, module: str, title: str) -> None:
    if iskeyword(module) or iskeyword(title) or not title.isidentifier():
        raise PluginError(f"{plugin!r} cannot name a Python module and class; choose another, such as 'my-{plugin}'")
    if module in sys.stdlib_module_names or find_spec(module) is not None:
        raise PluginError(f"a Python module {module!r} is there already; choose another name, such as 'my-{plugin}'")
    taken = listings(kind).get(plugin)
    if taken:
        raise PluginError(
            f"{taken[0].distribution} {taken[0].version} brings the {kind} {plugin!r} already; "
            f"choose another name, such as 'my-{plugin}'"
        )


def _near(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789") or "my-plugin"
