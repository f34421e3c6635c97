"""PyTorch computes: the same rules, layers and laws on tensors. The only file of this room that imports torch."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from tunelab.contracts import Array, Backend


class TorchBackend(Backend):
    """Tensors of PyTorch on the CPU in one float dtype, on one thread: trials, not threads, fill the cores.

    Random numbers, orders and initial weights are NumPy's, so that one seed gives one curve on either backend.

    Args:
        dtype: `"float32"` or `"float64"`.

    >>> TorchBackend("float32").zeros((2, 3)).shape
    torch.Size([2, 3])
    """

    name: ClassVar[str] = "torch"
    xp = torch

    def __init__(self, dtype: str) -> None:
        torch.set_num_threads(1)
        self.dtype = getattr(torch, dtype)

    def asarray(self, values: np.ndarray) -> Array:
        """Return floats in this backend's dtype, integers as they are."""
        tensor = torch.from_numpy(np.array(values))
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def zeros(self, shape: Sequence[int]) -> Array:
        """Return zeros."""
        return torch.zeros(tuple(shape), dtype=self.dtype)

    def empty(self, shape: Sequence[int]) -> Array:
        """Return a tensor of no particular content."""
        return torch.empty(tuple(shape), dtype=self.dtype)

    def copy(self, values: Array) -> Array:
        """Return a copy."""
        return values.clone()

    def take(self, rows: Array, index: np.ndarray, out: Array) -> Array:
        """Return the rows `(N, ...)` at `index` `(P, B)`, in `out` `(P, B, ...)`."""
        flat = out.view(-1, *rows.shape[1:])
        torch.index_select(rows, 0, torch.from_numpy(np.ravel(index)), out=flat)
        return out

    def fill_uniform(self, out: Array, generator: np.random.Generator) -> None:
        """Fill a tensor with numbers in [0, 1)."""
        generator.random(out=out.numpy(), dtype=out.numpy().dtype)

    def to_numpy(self, values: Array) -> np.ndarray:
        """Return a copy."""
        return np.array(values.numpy())
