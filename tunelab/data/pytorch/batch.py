"""From a person's items to a batch: a pair of tensors, or one sentence on why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch.utils.data import default_collate

from tunelab.data.pytorch.source import Pair, Source


@dataclass(frozen=True)
class Failure:
    """Why a batch could not be read. It is handed over, not raised: a process that reads would bury it in a traceback.

    Attributes:
        reason: one sentence.
    """

    reason: str


def batch_of(source: Source, items: Any, numbers: Sequence[Any]) -> Pair | Failure:
    """Make a batch of items, a list of them, or one that is a batch itself; their numbers are for messages."""
    listed = items if source.is_batched else [items]
    failed = next((item for item in listed if isinstance(item, Failure)), None)
    if failed is not None:
        return failed
    try:
        batch = source.collate(items)
    except Exception as error:
        return Failure(_why_no_batch(source, listed, numbers, error))
    if not _is_pair(batch):
        return Failure(_no_tensors(source, listed, numbers, batch))
    try:
        x, y = map(torch.as_tensor, batch)
    except (TypeError, ValueError, RuntimeError):
        return Failure(_no_tensors(source, listed, numbers, batch))
    if x.shape[:1] != y.shape[:1] or not x.dim():
        return Failure(
            f"{source.name}: a batch has x of shape {tuple(x.shape)} and y of shape {tuple(y.shape)}; both must begin "
            "with the rows of the batch"
        )
    return x, y


def said(error: Exception) -> str:
    """Return what was raised, and where."""
    text = str(error).strip().partition("\n")[0]
    frames = extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _why_no_batch(source: Source, items: Sequence[Any], numbers: Sequence[Any], error: Exception) -> str:
    """Return which item is at fault, if it can be told."""
    if not all(map(_is_good, items)):
        return _no_pair(source, items, numbers)
    for place, name in enumerate(("x", "y")):
        shapes = [tuple(getattr(item[place], "shape", ())) for item in items]
        odd = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
        if odd is not None:
            return (
                f"{source.name}: {name} has another shape from item to item, {shapes[0]} in {_which(numbers, 0)} and "
                f"{shapes[odd]} in {_which(numbers, odd)}; resize or pad in the data set, or give a DataLoader with a "
                "collate_fn that pads"
            )
    return f"{source.name}: no batch can be made of its items: {said(error)}"


def _no_tensors(source: Source, items: Sequence[Any], numbers: Sequence[Any], batch: Any) -> str:
    if not all(map(_is_good, items)) and source.collate is default_collate:
        return _no_pair(source, items, numbers)
    was = _told(batch)
    if _is_pair(batch):
        was = f"a pair of {' and '.join(type(each).__name__ for each in batch)}"
    return f"{source.name}: its collate_fn must return a pair (x, y) of tensors, and returned {was}"


def _no_pair(source: Source, items: Sequence[Any], numbers: Sequence[Any]) -> str:
    at = next((at for at, item in enumerate(items) if not _is_good(item)), 0)
    item, was = items[at], _told(items[at])
    if _is_pair(item) and not _is_good(item):
        name, value = next((name, value) for name, value in zip("xy", item, strict=True) if not _is_number(value))
        was = f"a pair whose {name} is {_told(value)}"
    return (
        f"{source.name}, must give pairs (x, y) of tensors, arrays or numbers, but {_which(numbers, at)} is {was}; "
        "make such a pair in the data set, by its transform, or in the collate_fn of a DataLoader"
    )


def _is_good(item: Any) -> bool:
    return _is_pair(item) and all(map(_is_number, item))


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2


def _is_number(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in "biuf" if kind is not None else isinstance(value, torch.Tensor | bool | int | float)


def _which(numbers: Sequence[Any], at: int) -> str:
    return f"item {numbers[at]}" if at < len(numbers) else "an item"


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(repr, value))}"
    kind = getattr(value, "dtype", None)
    return f"an array of {kind}" if kind is not None else f"of type {type(value).__name__}"
