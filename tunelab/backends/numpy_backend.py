"""NumPy computes: nothing else to install, and the same bits every time."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tunelab.contracts import Array, Backend


class NumpyBackend(Backend):
    """Arrays of NumPy in one float dtype.

    Args:
        dtype: `"float32"` or `"float64"`.

    >>> NumpyBackend("float32").zeros((2, 3)).shape
    (2, 3)
    """

    name: ClassVar[str] = "numpy"
    xp = np

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def asarray(self, values: Array) -> Array:
        """Return floats in this backend's dtype, integers as they are."""
        return np.ascontiguousarray(values, dtype=self.dtype if values.dtype.kind == "f" else None)

    def zeros(self, shape: Sequence[int]) -> Array:
        """Return zeros."""
        return np.zeros(shape, self.dtype)

    def empty(self, shape: Sequence[int]) -> Array:
        """Return an array of no particular content."""
        return np.empty(shape, self.dtype)

    def copy(self, values: Array) -> Array:
        """Return a copy."""
        return values.copy()

    def take(self, rows: Array, index: np.ndarray, out: Array) -> Array:
        """Return the rows `(N, ...)` at `index` `(P, B)`, in `out` `(P, B, ...)`."""
        return np.take(rows, index, axis=0, out=out, mode="clip")

    def fill_uniform(self, out: Array, generator: np.random.Generator) -> None:
        """Fill an array with numbers in [0, 1)."""
        generator.random(out=out, dtype=out.dtype)

    def to_numpy(self, values: Array) -> np.ndarray:
        """Return a copy."""
        return np.array(values)
