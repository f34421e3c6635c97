"""PyTorch computes: the same rules, layers and laws on tensors."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import torch

from tunelab.contracts import Array, Backend, Torch
from tunelab.errors import ExperimentError


class TorchBackend(Backend):
    """Tensors of PyTorch in one float dtype, by default on one thread: trials, not threads, fill the cores.

    Random numbers, orders and initial weights are NumPy's, so that one seed gives one curve on either backend.

    Args:
        dtype: `"float32"` or `"float64"`.
        settings: how PyTorch computes.

    Raises:
        ExperimentError: a device that is not here.

    >>> TorchBackend("float32").zeros((2, 3)).shape
    torch.Size([2, 3])
    """

    name: ClassVar[str] = "torch"
    xp = torch

    def __init__(self, dtype: str, settings: Torch | None = None) -> None:
        self.settings = settings or Torch()
        torch.set_num_threads(self.settings.threads)
        self.dtype = getattr(torch, dtype)
        self.device = device_of(self.settings.device)

    def asarray(self, values: Array) -> Array:
        """Return floats in this backend's dtype, integers as they are."""
        tensor = values if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else None)

    def zeros(self, shape: Sequence[int]) -> Array:
        """Return zeros."""
        return torch.zeros(tuple(shape), dtype=self.dtype, device=self.device)

    def empty(self, shape: Sequence[int]) -> Array:
        """Return a tensor of no particular content."""
        return torch.empty(tuple(shape), dtype=self.dtype, device=self.device)

    def copy(self, values: Array) -> Array:
        """Return a copy."""
        return values.clone()

    def take(self, rows: Array, index: np.ndarray, out: Array) -> Array:
        """Return the rows `(N, ...)` at `index` `(P, B)`, in `out` `(P, B, ...)`."""
        flat = out.view(-1, *rows.shape[1:])
        torch.index_select(rows, 0, torch.from_numpy(np.ravel(index)).to(self.device), out=flat)
        return out

    def fill_uniform(self, out: Array, generator: np.random.Generator) -> None:
        """Fill a tensor with numbers in [0, 1)."""
        there = out if out.device.type == "cpu" else torch.empty(out.shape, dtype=out.dtype)
        generator.random(out=there.numpy(), dtype=there.numpy().dtype)
        if there is not out:
            out.copy_(there)

    def to_numpy(self, values: Array) -> np.ndarray:
        """Return a copy."""
        return np.array(values.detach().cpu().numpy())

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which modules compute."""
        if self.settings.precision == "full":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.settings.precision))

    def parts(self, rows: int) -> list[slice]:
        """Return the parts in which the rows of a batch pass through a module."""
        size = -(-rows // self.settings.accumulate)
        return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def device_of(wanted: str) -> torch.device:
    """Return the device of this name, or with `"auto"` the best there is.

    Raises:
        ExperimentError: a device that is not here.

    >>> device_of("cpu")
    device(type='cpu')
    """
    here = [kind for kind, there in (("cuda", torch.cuda.is_available()), ("mps", torch.mps.is_available())) if there]
    if wanted == "auto":
        return torch.device(next(iter(here), "cpu"))
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    known = ["cpu", *here]
    if device is None or device.type not in known or (device.index or 0) >= _count(device.type):
        raise ExperimentError(
            f"backend: there is no device {wanted!r} here; there is {', '.join(known)}: "
            "take one of these, or device='auto'"
        )
    return device


def _count(kind: str) -> int:
    return torch.cuda.device_count() if kind == "cuda" else 1
