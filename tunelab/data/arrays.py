"""Rows that are in memory already."""

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, PrivateAttr, field_serializer

from tunelab.contracts import Dataset, Table
from tunelab.data.fingerprint import digest
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
        x: features `(rows, features)`, or `(rows,)` for one feature: an array, a nested list, a frame, a tensor.
        y: labels or values `(rows,)`, or values `(rows, outputs)`.
        targets: what to read y as. `"auto"`: text, booleans and categoricals are classes, real numbers are values,
            integers are classes where they take at most 20 distinct values; a `y` with several columns is values.

    Raises:
        DataError: lengths that differ, no rows, ragged rows, what is not a number, NaN or infinity, one class only.

    >>> data = Arrays([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "no"])
    >>> data
    Arrays(x=float64 (3, 2), y=<U3 (3,), targets='auto')
    >>> data.load().y, data.load().classes
    (array([0, 1, 0]), ('no', 'yes'))
    """

    x: Annotated[np.ndarray, BeforeValidator(_features)]
    y: Annotated[np.ndarray, BeforeValidator(_target)]
    targets: Wish = "auto"
    _table: Table = PrivateAttr()
    _digest: str = PrivateAttr()

    def __init__(self, x: Any = None, y: Any = None, **fields: Any) -> None:
        given = {name: rows for name, rows in (("x", x), ("y", y)) if rows is not None}
        super().__init__(**given, **fields)

    def model_post_init(self, _: Any, /) -> None:
        """Check the arrays against each other, once."""
        self._table = table(self.x, self.y, self.targets, source="memory", where="Arrays")
        self._digest = digest(self._table.x, self._table.y, np.array(self._table.classes, dtype=np.str_))

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

    @field_serializer("x", "y", when_used="json")
    def _summary(self, array: np.ndarray) -> str:
        return f"{array.dtype} {array.shape} sha256 {digest(array)}"


class _Verbatim(str):
    """Text that a repr shows without quotes."""

    __slots__ = ()
    __repr__ = str.__str__
