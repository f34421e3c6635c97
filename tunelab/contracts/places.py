"""Where a class or a function is found again: `module:path`."""

from functools import reduce
from importlib import import_module
from typing import Any


def place_of(target: Any) -> str:
    """Return where a class or a function says that it was defined.

    >>> import math
    >>> place_of(math.hypot)
    'math:hypot'
    """
    return f"{target.__module__}:{target.__qualname__}"


def found_at(place: str) -> Any:
    """Return what is at a place; its module is imported.

    Raises:
        ImportError, AttributeError, ValueError: nothing is there.

    >>> found_at("math:hypot")(3.0, 4.0)
    5.0
    """
    module, colon, path = place.partition(":")
    if not (module and colon and path):
        raise ValueError(f"expected 'module:name', was {place!r}")
    return reduce(getattr, path.split("."), import_module(module))
