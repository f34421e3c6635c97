"""Rows parted into training, validation and test, and scaled: what an engine trains on."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from tunelab.contracts import Inputs, Table, Targets
from tunelab.data.partition import PARTS, partition
from tunelab.errors import DataError

Scale = Literal["standard", "minmax", "none"]
"""How the training part's features are scaled: to mean 0 and variance 1, to [0, 1], or not at all.

Each column by itself; of an image, each channel: single pixels at an edge are seldom other than 0, and scaled by
themselves would outweigh all others.
"""


EXAMPLES, EXAMPLE_NUMBERS = 3, 30_000
"""Rows that are shown as examples, and the most numbers that all of them may have."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Three parts of a data set, and how their columns were scaled.

    All arrays are C-contiguous; a part that was not asked for has no rows.

    Attributes:
        x_train, x_validation, x_test: features `(rows, features)`, float64, scaled; of tensors that are not to be
            scaled, in their own type.
        y_train, y_validation, y_test: class indices `(rows,)` or `(rows, places)`, int64, or values
            `(rows, outputs)`, float64, scaled; of tensors, what the loss takes, not scaled.
        inputs: what the features of one row are.
        targets: classes or values; `"none"` where there is nothing to predict.
        outputs: classes, or values a row.
        places: places of a row that have a class each; 0 where the row as a whole has one, or values.
        classes: the labels that the indices stand for.
        shift, spread: `(features,)`; a new row is scaled alike by `(x - shift) / spread`.
        target_shift, target_spread: `(outputs,)`; a prediction is mapped back by `y * target_spread + target_shift`.
            Zeros and ones for classes.
        examples: a few rows of the training part as they came, `(few, features)`; none where rows are very long.
        at_least: there may be more classes than `outputs`, which are those that were seen.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    inputs: Inputs
    targets: Targets
    outputs: int
    places: int
    classes: tuple[str, ...]
    shift: np.ndarray
    spread: np.ndarray
    target_shift: np.ndarray
    target_spread: np.ndarray
    examples: np.ndarray
    at_least: bool = False

    @property
    def x_type(self) -> str:
        """The type of features, as they are trained on but for the backend's own dtype."""
        return self.x_train.dtype.name

    @property
    def has_test(self) -> bool:
        """Whether there are rows to test on."""
        return len(self.x_test) > 0

    @property
    def rows(self) -> dict[str, int]:
        """Rows in each part."""
        return dict(zip(PARTS, (len(self.x_train), len(self.x_validation), len(self.x_test)), strict=True))

    @classmethod
    def none(cls) -> Self:
        """Return what a function is minimised on: one row without features, so that a step evaluates it once.

        >>> Split.none().x_train.shape, Split.none().rows
        ((1, 0), {'train': 1, 'validation': 0, 'test': 0})
        """
        row, nothing, zeros, ones = np.zeros((1, 0)), np.zeros((0, 0)), np.zeros(0), np.ones(0)
        return cls(
            x_train=row,
            y_train=row,
            x_validation=nothing,
            y_validation=nothing,
            x_test=nothing,
            y_test=nothing,
            inputs=Inputs((0,)),
            targets="none",
            outputs=0,
            places=0,
            classes=(),
            shift=zeros,
            spread=ones,
            target_shift=zeros,
            target_spread=ones,
            examples=nothing,
        )


def split(
    table: Table,
    *,
    validation: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    scale: Scale = "standard",
    scale_targets: bool = True,
) -> Split:
    """Return the rows in three parts, disjoint and together all rows, scaled by what the training part alone shows.

    Classes keep their share in each part to within one row, unless each place of a row has its own. A column that is
    constant in the training part is shifted and not stretched.

    Values to predict are standardised too unless `scale_targets` is off: then a learning rate means the same whatever
    unit they are in. A squared error on them is in units of the training targets' variance: 1 is no better than always
    predicting their mean; times `target_spread ** 2`, it is in the data's own units.

    Args:
        table: all rows.
        validation, test: shares of the rows, 0 to 1; the rest is trained on.
        seed: decides which rows; nothing else does.
        scale: of the features; `"none"` for symbols, whose numbers are names.
        scale_targets: whether values are standardised; without meaning for classes.

    Raises:
        DataError: shares out of range, a part that would be empty, a column too wide to be scaled in float64, or
            symbols that shall be scaled.

    >>> from tunelab.data import Diabetes
    >>> parts = split(Diabetes().load(), validation=0.2, test=0.1, seed=0)
    >>> parts.rows, parts.outputs
    ({'train': 309, 'validation': 89, 'test': 44}, 1)
    >>> bool(abs(parts.x_train.mean()) < 1e-12), round(parts.y_train.var(), 6)
    (True, np.float64(1.0))
    """
    if not len(table.x):
        raise DataError("the data has no rows; at least two are needed, to train on one and validate on another")
    if table.symbols and scale != "none":
        raise DataError(f"scale={scale!r}: this data's features are symbols, whose numbers are names; use scale='none'")
    is_labelled = table.targets == "classes"
    groups = table.y if is_labelled and not table.places else np.zeros(len(table.x), dtype=np.int64)
    rows = partition(groups, validation=validation, test=test, seed=seed)
    channels = table.shape[0] if len(table.shape) == 3 else table.x.shape[1]
    shift, spread = scaling(table.x[rows[0]], scale, channels)
    xs = [scaled(table.x[part], shift, spread, "x") for part in rows]
    if is_labelled:
        target_shift, target_spread = np.zeros(table.outputs), np.ones(table.outputs)
        ys = [np.ascontiguousarray(table.y[part], dtype=np.int64) for part in rows]
    else:
        target_shift, target_spread = scaling(table.y[rows[0]], "standard" if scale_targets else "none", table.outputs)
        ys = [scaled(table.y[part], target_shift, target_spread, "y") for part in rows]
    return Split(
        x_train=xs[0],
        y_train=ys[0],
        x_validation=xs[1],
        y_validation=ys[1],
        x_test=xs[2],
        y_test=ys[2],
        inputs=replace(table.inputs, unit=in_unit(xs[0])),
        targets=table.targets,
        outputs=table.outputs,
        places=table.places,
        classes=table.classes,
        shift=shift,
        spread=spread,
        target_shift=target_shift,
        target_spread=target_spread,
        examples=examples(table.x[rows[0][:EXAMPLES]]),
    )


def examples(rows: np.ndarray) -> np.ndarray:
    """Return the first few rows, to show what rows are; none where they are very long."""
    return rows[:EXAMPLES] if EXAMPLES * rows.shape[1] <= EXAMPLE_NUMBERS else rows[:0]


def in_unit(x: np.ndarray) -> bool:
    """Return whether all numbers lie from 0 to 1."""
    return bool(x.size and x.min() >= 0 and x.max() <= 1)


def scaling(train: np.ndarray, scale: Scale, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return shift and spread of each column; columns come in so many groups of neighbours that are scaled alike."""
    rows, columns = train.shape
    if scale == "none":
        return np.zeros(columns), np.ones(columns)
    values = train.astype(np.float64, copy=False).reshape(rows, groups, -1)
    low, high = values.min(axis=(0, 2)), values.max(axis=(0, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        found = (values.mean(axis=(0, 2)), values.std(axis=(0, 2))) if scale == "standard" else (low, high - low)
    shift, spread = found
    # A constant column's computed mean is a rounding error away from it, and that error would be its spread.
    is_constant = (low == high) | (spread == 0)
    each = columns // groups
    return np.repeat(np.where(is_constant, low, shift), each), np.repeat(np.where(is_constant, 1.0, spread), each)


def scaled(values: np.ndarray, shift: np.ndarray, spread: np.ndarray, name: str) -> np.ndarray:
    """Return `(values - shift) / spread`, float64.

    Raises:
        DataError: a column that is not finite then.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.ascontiguousarray((values - shift) / spread, dtype=np.float64)
    finite = np.isfinite(scaled).all(axis=0) & np.isfinite(spread)
    if not finite.all():
        raise DataError(
            f"column {int(np.argmin(finite))} of {name} is not finite once it is scaled; "
            "it holds NaN, infinity, or numbers too large for float64: clean it, or bring it to a moderate range"
        )
    return scaled
