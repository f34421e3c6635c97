"""A backend: what computes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tunelab.contracts.arrays import Array


class Backend(ABC):
    """What computes. Arrays of a backend never leave it but through `to_numpy`."""

    name: ClassVar[str]
    xp: Any

    @abstractmethod
    def asarray(self, values: np.ndarray) -> Array:
        """Return the values as an array of this backend: floats in its dtype, integers as they are."""

    @abstractmethod
    def zeros(self, shape: Sequence[int]) -> Array:
        """Return zeros."""

    @abstractmethod
    def empty(self, shape: Sequence[int]) -> Array:
        """Return an array of no particular content."""

    @abstractmethod
    def copy(self, values: Array) -> Array:
        """Return a copy."""

    @abstractmethod
    def take(self, rows: Array, index: np.ndarray, out: Array) -> Array:
        """Return the rows `(N, ...)` at `index` `(P, B)`, in `out` `(P, B, ...)`."""

    @abstractmethod
    def fill_uniform(self, out: Array, generator: np.random.Generator) -> None:
        """Fill an array with numbers in [0, 1), the generator's own sequence."""

    @abstractmethod
    def to_numpy(self, values: Array) -> np.ndarray:
        """Return a copy outside the backend."""
