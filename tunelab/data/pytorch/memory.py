"""Tensors in memory, as the rows that populations of any kind train on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tunelab.contracts import Inputs, Outputs, Targets
from tunelab.data.partition import PARTS
from tunelab.data.pytorch.source import Pair, called
from tunelab.data.split import Scale, Split, examples, in_unit, scaled, scaling
from tunelab.errors import DataError


@dataclass(frozen=True)
class Told:
    """What is to be told of a row.

    Attributes:
        targets: classes, where targets are whole numbers; values, where they are real.
        outputs: how many; 0 where that is not known.
    """

    targets: Targets
    outputs: Outputs


def told_of(y: np.ndarray | torch.Tensor, classes: int) -> Told:
    """Return what targets `(rows, ...)` are; classes are how many there are, 0 where that is not known."""
    is_real = y.is_floating_point() if isinstance(y, torch.Tensor) else y.dtype.kind == "f"
    if is_real:
        counts = {1: 1, 2: y.shape[1] if y.ndim == 2 else 0}
        return Told("values", Outputs(counts.get(y.ndim, 0)))
    if y.ndim > 2:  # a class for each pixel, which only a loss of one's own knows how to compare
        return Told("values", Outputs(0))
    return Told("classes", Outputs(classes, places=y.shape[1] if y.ndim == 2 else 0))


def split_of(parts: Sequence[Pair], scale: Scale, *, as_given: bool) -> Split:
    """Return tensors as rows in memory, features in their own type unless they are scaled.

    Args:
        parts: for training, validation and test; a part without rows is empty.
        scale: of the features, by what the training part alone shows; targets are never scaled.
        as_given: whether targets go to the loss as they are: to a person's own.

    Raises:
        DataError: what is not finite or no number, parts whose rows differ in shape, labels below 0, or targets that
            tunelab's own losses do not take.
    """
    xs, ys = _arrays([x for x, _ in parts], "x"), _arrays([y for _, y in parts], "y")
    shape = xs[0].shape[1:]
    flat = [np.ascontiguousarray(x.reshape(len(x), math.prod(shape))) for x in xs]
    channels = shape[0] if len(shape) == 3 else flat[0].shape[1]
    shift, spread = scaling(flat[0], scale, channels)
    if scale != "none":
        flat = [scaled(x, shift, spread, "x") for x in flat]
    labels = [y for y in ys if y.dtype.kind in "iub" and y.size]
    classes = max((int(y.max()) + 1 for y in labels), default=0)
    told = told_of(ys[0], classes)
    if not as_given:
        require_flat(ys[0])
        for part, y in zip(PARTS, ys, strict=True):
            require_labels(y, part)
        if told.targets == "classes" and told.outputs.count < 2:
            raise DataError("y has one class only, 0; at least two are needed, or real values: y.float()")
        ys = [_as_columns(y) for y in ys]
    count = told.outputs.count
    return Split(
        x_train=flat[0],
        y_train=ys[0],
        x_validation=flat[1],
        y_validation=ys[1],
        x_test=flat[2],
        y_test=ys[2],
        inputs=Inputs(tuple(shape), _symbols(flat), in_unit(flat[0])),
        targets=told.targets,
        outputs=count,
        places=told.outputs.places,
        classes=tuple(map(str, range(count))) if told.targets == "classes" else (),
        shift=shift,
        spread=spread,
        target_shift=np.zeros(count),
        target_spread=np.ones(count),
        at_least=told.targets == "classes",
        examples=examples(xs[0].reshape(len(xs[0]), math.prod(shape))),
    )


def require_flat(y: np.ndarray | torch.Tensor) -> None:
    """Raise `DataError` where targets `(rows, ...)` have more axes than tunelab's own losses take."""
    if y.ndim > 2:
        raise DataError(
            f"y has shape {tuple(y.shape[1:])} a row, and tunelab's own losses take one class or value, or a list of "
            "them; give a loss of your own: loss=torch.nn.MSELoss()"
        )


def require_labels(y: np.ndarray, part: str) -> None:
    """Raise `DataError` where whole-number targets are no labels."""
    if y.dtype.kind in "iub" and y.size and y.min() < 0:
        row = np.argwhere(y < 0)[0][0]
        raise DataError(
            f"y of the {called(part)} part is {y.min()} in row {row} (counted from 0), and labels are 0, 1, ...; "
            "for real values give floats, y.float(), else a loss of your own that knows what it means"
        )


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as an array, in its own type where NumPy has it."""
    plain = tensor.detach().cpu()
    found: np.ndarray = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    return found


def _arrays(tensors: Sequence[torch.Tensor], name: str) -> list[np.ndarray]:
    """Return the parts of x or y as arrays of finite numbers."""
    found = []
    for part, tensor in zip(PARTS, tensors, strict=True):
        where = f"{name} of the {called(part)} part"
        if tensor.layout is not torch.strided or tensor.is_complex() or tensor.is_quantized:
            raise DataError(f"{where} must be a plain tensor of real numbers, was {tensor.layout} {tensor.dtype}")
        if tensor.shape[1:] != tensors[0].shape[1:] or tensor.dtype != tensors[0].dtype:
            raise DataError(
                f"{where} has rows of shape {tuple(tensor.shape[1:])} and {tensor.dtype}, that of the training part "
                f"{tuple(tensors[0].shape[1:])} and {tensors[0].dtype}; give all parts alike"
            )
        array = array_of(tensor)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = np.argwhere(~np.isfinite(array))[0][0]
            raise DataError(f"{where} holds NaN or infinity in row {row} (counted from 0); clean it")
        found.append(array)
    return found


def _as_columns(y: np.ndarray) -> np.ndarray:
    """Return targets as tunelab's own losses take them: labels as int64, a single value a row as a column."""
    if y.dtype.kind != "f":
        return np.ascontiguousarray(y, np.int64)
    return np.ascontiguousarray(y[:, None] if y.ndim == 1 else y)


def _symbols(xs: Sequence[np.ndarray]) -> int:
    """Return how many symbols there are, where features are int64, as those of an embedding are."""
    if xs[0].dtype != np.int64 or not xs[0].size or min(int(x.min()) for x in xs if x.size) < 0:
        return 0
    return max(int(x.max()) for x in xs if x.size) + 1
