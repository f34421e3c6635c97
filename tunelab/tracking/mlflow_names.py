"""Names and texts as MLflow accepts them."""

import posixpath
import re
from collections.abc import Mapping
from typing import TypeVar

V = TypeVar("V")

VERSION_TAG = "tunelab.version."
"""How the tags of a study's run begin that say with which version of a distribution it ran."""

PLATFORM_TAG = "tunelab.platform"
"""The tag that says on what it ran."""

_KEY_LENGTH = 250
_PARAM_LENGTH = 6000
_TAG_LENGTH = 5000


def accepted_keys(named: Mapping[str, V]) -> dict[str, V]:
    """Return the mapping under keys that MLflow accepts, still one key for each.

    >>> accepted_keys({"optimizer.lr": 1, "f(x)": 2, "f[x]": 3})
    {'optimizer.lr': 1, 'f_x_': 2, 'f_x__2': 3}
    """
    accepted: dict[str, V] = {}
    for name, value in named.items():
        key = _accepted_key(name)
        twins = 1
        while key in accepted:
            twins += 1
            key = f"{_accepted_key(name)}_{twins}"
        accepted[key] = value
    return accepted


def param_text(value: object) -> str:
    """Return a parameter's value as text that MLflow stores whole."""
    return str(value)[:_PARAM_LENGTH]


def tag_text(value: object) -> str:
    """Return a tag's value as text that MLflow stores whole."""
    return str(value)[:_TAG_LENGTH]


def _accepted_key(name: str) -> str:
    key = re.sub(r"[^\w\-. :/]", "_", name)[:_KEY_LENGTH]
    is_plain_path = key == posixpath.normpath(key) and not key.startswith(("/", ".."))
    return key if is_plain_path and key != "." else re.sub(r"[/.]", "_", key) or "_"
