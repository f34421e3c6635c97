"""What a plugin's docstring says, in parts."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

SECTION = re.compile(r"(Attributes|Args|Raises|Returns):\n")
SOURCE = re.compile(r"^(?=Reference: |Source: )", re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts; every text is one line.

    Attributes:
        summary: its first line.
        body: paragraphs `(text, is_equation)` in order; an equation keeps its lines.
        fields: what each field means, by name.
        source: the reference, if there is one.
    """

    summary: str
    body: tuple[tuple[str, bool], ...]
    fields: Mapping[str, str]
    source: str


def docstring_of(plugin: type) -> Docstring:
    """Return a plugin's docstring in parts; examples are left out.

    >>> from tunelab.optimizers import SGD
    >>> docstring_of(SGD).summary, docstring_of(SGD).body[0]
    ('A step against the gradient of a batch.', ('theta_t = theta_(t-1) - lr_t * g_t', True))
    """
    summary, *paragraphs = (inspect.getdoc(plugin) or "").split("\n\n")
    body: list[tuple[str, bool]] = []
    fields: dict[str, str] = {}
    source = ""
    for part in (part for paragraph in paragraphs for part in SOURCE.split(paragraph) if part):
        if SECTION.match(part):
            fields |= _fields(part) if part.startswith(("Attributes:", "Args:")) else {}
        elif SOURCE.match(part):
            source = _one_line(part.partition(": ")[2])
        elif part.startswith("    "):
            body.append((inspect.cleandoc("\n" + part), True))
        elif not part.startswith(">>>"):
            body.append((_one_line(part), False))
    return Docstring(_one_line(summary), tuple(body), fields, source)


def _fields(section: str) -> dict[str, str]:
    """Return the entries of a section, one for each line that is indented once."""
    entries = re.split(r"\n    (?! )", section)[1:]
    return {name: _one_line(meaning) for name, _, meaning in (entry.partition(": ") for entry in entries)}


def _one_line(text: str) -> str:
    return " ".join(text.split())
