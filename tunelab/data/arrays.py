"""Rows that are in memory already."""

import math
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, NonNegativeInt, PositiveInt, PrivateAttr, field_serializer

from tunelab.contracts import Dataset, Table
from tunelab.data.fingerprint import digest, row
from tunelab.data.table import Wish, features, table, target
from tunelab.errors import DataError


def _features(x: Any) -> np.ndarray:
    if isinstance(x, str):
        raise DataError("Arrays: x was text; JSON keeps only the shape and hash of rows in memory, so give them again")
    return _frozen(features(x, "Arrays"))


def _target(y: Any) -> np.ndarray:
    return _frozen(target(y, "Arrays"))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


class Arrays(Dataset):
    """Rows in memory: `Arrays(x, y)` copies them, so that what is trained on cannot change later.

    Two of the same content are equal. JSON holds shape and hash of the rows, not the rows: an experiment that is read
    back from JSON needs them given again.

    Args:
        x: features `(rows, features)`, or `(rows,)` for one feature, or images `(rows, channels, height, width)`: an
            array, a nested list, a frame, a tensor.
        y: labels or values `(rows,)`, or values `(rows, outputs)`, or with `targets="classes"` a label for each place
            of a row, `(rows, places)`.
        targets: what to read y as. `"auto"`: text, booleans and categoricals are classes, real numbers are values,
            integers are classes where they take at most 20 distinct values; a `y` with several columns is values.
        shape: of a row, where x is flat and a row is more than a list of numbers.
        symbols: where x holds symbols 0, 1, ..., how many different ones there are; symbols are never scaled.

    Raises:
        DataError: lengths that differ, no rows, ragged rows, what is not a number, NaN or infinity, one class only; a
            shape of another size than a row, or what is no symbol.

    >>> data = Arrays([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "no"])
    >>> data
    Arrays(x=float64 (3, 2), y=<U3 (3,), targets='auto')
    >>> data.load().y, data.load().classes
    (array([0, 1, 0]), ('no', 'yes'))
    >>> text = np.array([[0, 2, 1, 2], [2, 1, 0, 1]])
    >>> Arrays(text[:, :-1], text[:, 1:], targets="classes", symbols=3).load().inputs
    Inputs(shape=(3,), symbols=3, unit=False)
    """

    x: Annotated[np.ndarray, BeforeValidator(_features)]
    y: Annotated[np.ndarray, BeforeValidator(_target)]
    targets: Wish = "auto"
    shape: tuple[PositiveInt, ...] | None = None
    symbols: NonNegativeInt = 0
    _table: Table = PrivateAttr()
    _digest: str = PrivateAttr()

    def __init__(self, x: Any = None, y: Any = None, **fields: Any) -> None:
        given = {name: rows for name, rows in (("x", x), ("y", y)) if rows is not None}
        super().__init__(**given, **fields)

    def model_post_init(self, _: Any, /) -> None:
        """Check the arrays against each other, and against what a row is said to be, once."""
        found = table(self.x, self.y, self.targets, source="memory", where="Arrays")
        self._table = replace(found, shape=self._shape_of(found), symbols=self.symbols)
        _require_symbols(self._table)
        self._digest = digest(self._table.x, self._table.y, np.array(found.classes, dtype=np.str_), *row(self._table))

    def _shape_of(self, found: Table) -> tuple[int, ...]:
        if self.shape is None:
            return found.shape
        numbers = found.x.shape[1]
        if math.prod(self.shape) != numbers:
            raise DataError(
                f"Arrays: shape={self.shape} is {math.prod(self.shape)} numbers a row, and x has {numbers}; "
                "give (channels, height, width)"
            )
        return self.shape if len(self.shape) > 1 else ()

    def load(self) -> Table:
        """Return the rows."""
        return self._table

    def structure(self) -> tuple[Any, ...]:
        """Return the class and the hash of the content, which stands for the arrays."""
        return (type(self), self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arrays) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr_args__(self) -> Any:
        yield "x", _Verbatim(f"{self.x.dtype} {self.x.shape}")
        yield "y", _Verbatim(f"{self.y.dtype} {self.y.shape}")
        yield "targets", self.targets
        yield from ((name, value) for name in ("shape", "symbols") if (value := getattr(self, name)))

    @field_serializer("x", "y", when_used="json")
    def _summary(self, array: np.ndarray) -> str:
        return f"{array.dtype} {array.shape} sha256 {digest(array)}"


def _require_symbols(found: Table) -> None:
    wrong = (found.x % 1 != 0) | (found.x < 0) | (found.x >= found.symbols)
    if found.symbols and wrong.any():
        first, place = np.argwhere(wrong)[0]
        raise DataError(
            f"Arrays: symbols={found.symbols} needs x of whole numbers from 0 to {found.symbols - 1}, and "
            f"x[{first}, {place}] is {found.x[first, place]:g}"
        )


class _Verbatim(str):
    """Text that a repr shows without quotes."""

    __slots__ = ()
    __repr__ = str.__str__
