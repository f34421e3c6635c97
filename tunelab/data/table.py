"""From whatever holds rows to a `Table`: each step returns plain arrays, or a `DataError` that says where they fail."""

import math
from typing import Any, Literal

import numpy as np

from tunelab.contracts import Table
from tunelab.errors import DataError

Wish = Literal["auto", "classes", "values"]
"""What a target shall be read as.

`auto` reads text and booleans as classes, real numbers as values, and integers as classes where they take at most
`MOST_CLASSES` distinct values, else as values.
"""

MOST_CLASSES = 20
"""The largest number of distinct integers that still reads as class labels."""

_LABELS = (str, bool, int, float, np.bool_, np.integer, np.floating)
_MISSING = ("None", "nan", "<NA>", "NaT")


def features(x: Any, where: str) -> np.ndarray:
    """Return x as finite float64 `(rows, features)`, or `(rows, ...)` as it is where a row has several axes.

    Args:
        x: an array, a nested list, a pandas or polars frame, a tensor; a single axis is one feature of many rows.
        where: what the error message begins with.

    Raises:
        DataError: no rows, no columns, ragged, not numbers, or not finite; says the column and the first such row.

    >>> features([1, 2, 3], "here").shape, features(np.zeros((5, 3, 8, 8)), "here").shape
    ((3, 1), (5, 3, 8, 8))
    >>> features([[1, "red"], [2, "blue"]], "x")
    Traceback (most recent call last):
    tunelab.errors.DataError: x: column 1 of x holds 'red' in row 0 (counted from 0), not a number; encode it as numbers
    """
    if getattr(x, "ndim", 0) == 2 and hasattr(x, "iloc"):
        values, names = _columns(x, where)
        return _finite(values, names, where)
    array = _array(x, "x", where)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim < 2:
        raise DataError(f"{where}: x must be (rows, features), was {_shape(x, array)}; give an array or a list of rows")
    values, names = _matrix(array, where)
    return _finite(values, names, where).reshape(array.shape)


def target(y: Any, where: str, name: str = "y") -> np.ndarray:
    """Return y as booleans, integers, finite float64 or text, `(rows,)` or `(rows, outputs)`, with nothing missing.

    Args:
        y: an array, a list, a pandas series (a categorical becomes text), a tensor.
        where: what the error message begins with.
        name: what the message calls y.

    Raises:
        DataError: more than two axes, a missing or infinite value, or something that is neither label nor number.

    >>> target(["b", "a"], "here")
    array(['b', 'a'], dtype='<U1')
    """
    array = _array(y, name, where)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
        raise DataError(f"{where}: {name} must be (rows,) or (rows, outputs), was {_shape(y, array)}")
    if array.dtype.kind == "O":
        array = _labels(array, name, where)
    if array.dtype.kind not in "biufU":
        raise DataError(f"{where}: {name} must be labels or numbers, was {array.dtype}; convert it first")
    if array.dtype.kind == "f":
        names = [name] if array.ndim == 1 else [f"column {i} of {name}" for i in range(array.shape[1])]
        array = _finite(array.astype(np.float64).reshape(len(array), -1), names, where).reshape(array.shape)
    is_text = array.dtype.kind == "U" or str(getattr(y, "dtype", "")) == "category"
    return array.astype(np.str_) if is_text else array.copy()


def table(x: np.ndarray, y: np.ndarray, wish: Wish, *, source: str, where: str, name: str = "y") -> Table:
    """Return rows as a `Table`; class labels become indices in sorted order.

    Args:
        x: what `features` returned; several axes of a row become the table's `shape`.
        y: what `target` returned; several columns are a class for each place of a row where classes are wished.
        wish: what to read y as.
        source: where the rows came from.
        where: what the error message begins with.
        name: what the message calls y.

    Raises:
        DataError: x and y differ in length, text where values are wished, one-hot columns or unwished columns of text,
            or fewer than two classes.

    >>> table(np.eye(3), np.array(["b", "a", "b"]), "auto", source="here", where="here").y
    array([1, 0, 1])
    """
    x, shape = x.reshape(len(x), -1), x.shape[1:] if x.ndim > 2 else ()
    if len(x) != len(y):
        raise DataError(f"{where}: x has {len(x)} rows and {name} {len(y)}; each row needs one target")
    if (wish if wish != "auto" else _reading(y)) == "values":
        if y.dtype.kind == "U":
            raise DataError(f"{where}: {name} is text ({str(y.flat[0])!r}) and cannot be values; use targets='classes'")
        return Table(x, y.astype(np.float64).reshape(len(y), -1), "values", source=source, shape=shape)
    if y.ndim == 2 and wish == "auto":
        raise DataError(
            f"{where}: {name} must be one column of labels, was {y.shape}; for a label at each place of a row, "
            "targets='classes'"
        )
    if _is_one_hot(y):
        raise DataError(f"{where}: {name} is one-hot, {y.shape}; give one label a row: y.argmax(axis=1)")
    labels, indices = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise DataError(
            f"{where}: {name} has one class only ({str(labels[0])!r}); at least two are needed, or targets='values'"
        )
    classes = tuple(str(label) for label in labels)
    return Table(x, indices.astype(np.int64).reshape(y.shape), "classes", classes, source, shape)


def _is_one_hot(y: np.ndarray) -> bool:
    return y.ndim == 2 and y.dtype.kind in "biuf" and set(np.unique(y)) == {0, 1} and bool((y.sum(axis=1) == 1).all())


def _reading(y: np.ndarray) -> Wish:
    if y.dtype.kind == "U":
        return "classes"
    if y.dtype.kind == "f" or y.ndim == 2:
        return "values"
    return "classes" if y.dtype.kind == "b" or len(np.unique(y)) <= MOST_CLASSES else "values"


def _columns(frame: Any, where: str) -> tuple[np.ndarray, list[str]]:
    """A frame's columns have a type each; as one array they would all become objects."""
    names = [f"column {str(name)!r}" for name in frame.columns]
    _require_some(len(frame), len(names), where)
    columns = [_numbers(np.asarray(frame.iloc[:, i]), name, where) for i, name in enumerate(names)]
    return np.column_stack(columns), names


def _matrix(array: np.ndarray, where: str) -> tuple[np.ndarray, list[str]]:
    """Return flat rows, and what to call each of their columns."""
    _require_some(len(array), math.prod(array.shape[1:]), where)
    names = [f"{_place(index)} of x" for index in np.ndindex(array.shape[1:])]
    array = array.reshape(len(array), -1)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64, order="C"), names
    return np.column_stack([_numbers(column, name, where) for column, name in zip(array.T, names, strict=True)]), names


def _place(index: tuple[int, ...]) -> str:
    return f"column {index[0]}" if len(index) == 1 else f"place {index}"


def _require_some(rows: int, columns: int, where: str) -> None:
    if not rows:
        raise DataError(f"{where}: no rows; at least two are needed, to train on one and validate on another")
    if not columns:
        raise DataError(f"{where}: x has no columns; at least one feature is needed")


def _array(values: Any, name: str, where: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        # Mixed lists become text as a whole; as objects, the numbers in them stay numbers.
        return np.asarray(values, dtype=object) if array.dtype.kind in "US" else array
    except Exception as error:
        lengths = [len(row) if hasattr(row, "__len__") else 1 for row in values] if isinstance(values, list) else []
        odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
        reason = f"{error}" if odd is None else f"row {odd} has length {lengths[odd]}, row 0 has {lengths[0]}"
        raise DataError(f"{where}: {name} cannot become an array: {reason}") from None


def _numbers(column: np.ndarray, name: str, where: str) -> np.ndarray:
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    odd = _first_that_is_no_number(column) if column.dtype.kind == "O" else (0, column[0])
    if odd is None:
        return column.astype(np.float64)
    row, value = odd
    remedy = "fill or drop such rows" if str(value) in _MISSING else "encode it as numbers"
    raise DataError(f"{where}: {name} holds {value!r} in row {row} (counted from 0), not a number; {remedy}")


def _first_that_is_no_number(column: np.ndarray) -> tuple[int, Any] | None:
    """Of text, prefer what float() cannot read: in a column of '1', '2', '?', the question mark is at fault."""
    suspects = []
    for row, value in enumerate(column.tolist()):
        if isinstance(value, str | bytes):
            suspects.append((row, value))
        try:
            float(value)
        except (TypeError, ValueError):
            return row, value
    return suspects[0] if suspects else None


def _labels(array: np.ndarray, name: str, where: str) -> np.ndarray:
    for row, value in enumerate(array.reshape(len(array), -1)):
        for label in value:
            if not isinstance(label, _LABELS) or label != label:
                remedy = "fill or drop such rows" if str(label) in _MISSING else "labels are text or numbers"
                raise DataError(f"{where}: {name} is {label!r} in row {row} (counted from 0); {remedy}")
    return np.array(array.tolist())


def _finite(values: np.ndarray, names: list[str], where: str) -> np.ndarray:
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        count = int((~finite).sum())
        what = f"{names[column]} is {values[row, column]} in row {row} (counted from 0)"
        more = f", one of {count} such values" if count > 1 else ""
        raise DataError(f"{where}: {what}{more}; fill or drop such rows")
    return values


def _shape(values: Any, array: np.ndarray) -> str:
    return str(array.shape) if array.ndim else type(values).__name__
