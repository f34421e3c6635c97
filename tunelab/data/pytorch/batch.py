"""From a person's items to a batch: a pair of tensors, or one sentence on why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch

from tunelab.data.pytorch.source import Pair, Source


@dataclass(frozen=True)
class Failure:
    """Why a batch could not be read. It is handed over, not raised: a process that reads would bury it in a traceback.

    Attributes:
        reason: one sentence.
    """

    reason: str


def batch_of(source: Source, items: Any, numbers: Sequence[Any]) -> Pair | Failure:
    """Make a batch of items, a list unless each is a batch; their numbers are for messages."""
    failed = next((item for item in items if isinstance(item, Failure)), None) if source.is_batched else items
    if isinstance(failed, Failure):
        return failed
    try:
        batch = source.collate(items)
    except Exception as error:
        return Failure(_why_no_batch(source, items, numbers, error))
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        return Failure(
            f"{source.name}, must give pairs (x, y), but {_which(source, numbers)} is "
            f"{_told(_first(source, items))}; return a pair, or give a DataLoader with a collate_fn that makes one"
        )
    try:
        x, y = (torch.as_tensor(values) for values in batch)
    except (TypeError, ValueError, RuntimeError):
        return Failure(_no_numbers(source, items, numbers))
    if x.shape[:1] != y.shape[:1] or not x.dim():
        return Failure(
            f"{source.name}: a batch has x of shape {tuple(x.shape)} and y of shape "
            f"{tuple(y.shape)}; both must begin with the rows of the batch"
        )
    return x, y


def _why_no_batch(source: Source, items: Any, numbers: Sequence[Any], error: Exception) -> str:
    """Return which item is at fault, if it can be told."""
    pairs = [item for item in items if isinstance(item, tuple | list) and len(item) == 2] if source.is_batched else []
    if len(pairs) < len(items):
        return _no_numbers(source, items, numbers)
    for place, name in enumerate(("x", "y")):
        shapes = [getattr(item[place], "shape", None) for item in items]
        odd = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
        if odd is not None and shapes[0] is not None:
            return (
                f"{source.name}: {name} has another shape from item to item, "
                f"{_shape(shapes[0])} in {_which(source, numbers)} and {_shape(shapes[odd])} in "
                f"{_which(source, numbers, odd)}; resize or pad in the data set, or give a DataLoader with a "
                "collate_fn that pads"
            )
    if any(not _is_number(value) for item in items for value in item):
        return _no_numbers(source, items, numbers)
    return f"{source.name}: no batch can be made of its items: {said(error)}"


def _no_numbers(source: Source, items: Any, numbers: Sequence[Any]) -> str:
    item = _first(source, items)
    if not isinstance(item, tuple | list) or len(item) != 2:
        was = _told(item)
    else:
        odd = next(((name, v) for name, v in zip("xy", item, strict=True) if not _is_number(v)), ("x", item[0]))
        was = f"a pair whose {odd[0]} is {_told(odd[1])}"
    return (
        f"{source.name}, must give pairs (x, y) of tensors, arrays or numbers, but "
        f"{_which(source, numbers)} is {was}; give the data set a transform that makes numbers of it"
    )


def _is_number(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        return kind in "biuf"
    return isinstance(value, torch.Tensor | bool | int | float)


def _first(source: Source, items: Any) -> Any:
    """Return the first item that is no pair of numbers, or the first."""
    if not source.is_batched:
        return items
    for item in items:
        if not isinstance(item, tuple | list) or len(item) != 2 or not all(map(_is_number, item)):
            return item
    return items[0]


def _which(source: Source, numbers: Sequence[Any], at: int = 0) -> str:
    return f"item {numbers[at]}" if at < len(numbers) else "an item"


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(repr, value))}"
    kind = getattr(value, "dtype", None)
    return f"an array of {kind}" if kind is not None else f"of type {type(value).__name__}"


def _shape(shape: Any) -> str:
    return str(tuple(shape)) if shape is not None else "none"


def _some(numbers: Sequence[Any]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown}, ..." if len(numbers) > 8 else shown


def said(error: Exception) -> str:
    """Return what was raised, and where."""
    text = str(error).strip().partition("\n")[0]
    frames = extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"
