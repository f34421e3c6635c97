"""The rectifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunelab.contracts import Array, Layer, Tape


@dataclass(frozen=True)
class ReLU(Layer):
    """The rectifier, elementwise on (P, B, H).

        y = max(x, 0)
        dx = dy where x > 0, else 0

    At 0 the derivative is 0, as in PyTorch. Source: Nair & Hinton, ICML 2010.

    >>> ReLU() == ReLU()
    True
    """

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return max(x, 0)."""
        # torch.maximum takes no plain number, and numpy.clip costs a microsecond more a call
        zero = xp.zeros((), dtype=x.dtype, device=x.device)
        y = xp.maximum(x, zero, out=tape.empty("y", x.shape))
        tape.saved = (y,)
        return y

    def backward(
        self,
        xp: Any,
        dy: Array,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        tape: Tape,
        wanted: bool,
    ) -> Array:
        """Return dx."""
        (y,) = tape.saved
        passes = xp.greater(y, 0.0, out=tape.empty("passes", y.shape))
        return xp.multiply(dy, passes, out=dy)
