"""Where a class or a function is found again: `module:path`."""

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tunelab.contracts.vouched import require_kind, require_vouched


def place_of(target: Any) -> str:
    """Return where a class or a function says that it was defined.

    >>> import math
    >>> place_of(math.hypot)
    'math:hypot'
    """
    return f"{target.__module__}:{target.__qualname__}"


def found_at(place: str) -> Any:
    """Return what is at a place; its module is imported. All that is imported by a name of a record's comes from here.

    Raises:
        ImportError, AttributeError, ValueError: nothing is there.
        ExperimentError: within `vouched_only`, a place that nobody vouches for; it is not imported.

    >>> found_at("math:hypot")(3.0, 4.0)
    5.0
    """
    module, colon, path = place.partition(":")
    if not (module and colon and path):
        raise ValueError(f"expected 'module:name', was {place!r}")
    require_vouched(place)
    found = reduce(getattr, path.split("."), import_module(module))
    require_kind(place, found)
    return found


def _called(given: Any) -> Any:
    if isinstance(given, str):
        try:
            return found_at(given)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"no function can be found at {given!r} ({error}); give the function itself") from None
    return given


def _shown(target: Any) -> str:
    return place_of(target) if hasattr(target, "__qualname__") else repr(target)


OwnFunction = Annotated[Callable[..., Any], BeforeValidator(_called), PlainSerializer(_shown, when_used="json")]
"""A field for a person's own function, or any object that can be called.

In JSON a function is `module:name`, and found again there; an object is what it shows itself as, and must be given
again.
"""
