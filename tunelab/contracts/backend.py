"""A backend: what computes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from tunelab.contracts.arrays import Array
from tunelab.contracts.plugin import Plugin


class Torch(Plugin):
    """How PyTorch computes: `Experiment(backend=Torch(device="cuda"))`; `backend="torch"` is `Torch()`.

    Attributes:
        device: `"cpu"`, `"cuda"`, `"mps"`, or one of several: `"cuda:1"`; `"auto"` takes the first that is there of
            CUDA, MPS and the CPU.
        precision: `"full"` computes in the experiment's dtype; `"bfloat16"` computes a module's forward in mixed
            precision (`torch.autocast`): parameters, gradients and optimizer stay in the experiment's dtype.
        accumulate: the rows of a batch pass through a module in so many parts, whose gradients are added up: the same
            step in less memory.
        compile: run modules through `torch.compile`.
        threads: of one population; more than one pays for large models only.

    >>> Torch(threads=2).device
    'auto'
    """

    device: str = "auto"
    precision: Literal["full", "bfloat16"] = "full"
    accumulate: PositiveInt = 1
    compile: bool = False
    threads: PositiveInt = 1


class Backend(ABC):
    """What computes. Arrays of a backend never leave it but through `to_numpy`."""

    name: ClassVar[str]
    xp: Any

    @abstractmethod
    def asarray(self, values: Array) -> Array:
        """Return the values, of NumPy or of this backend: floats in its dtype, integers as they are."""

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
