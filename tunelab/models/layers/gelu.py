"""The Gaussian error linear unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunelab.contracts import Array, Layer, Tape

LINEAR = math.sqrt(2 / math.pi)
CUBIC = 0.044715 * LINEAR


@dataclass(frozen=True)
class GELU(Layer):
    """The Gaussian error linear unit by its tanh approximation, elementwise on (P, B, H).

        y = x (1 + t) / 2,  t = tanh(u),  u = sqrt(2 / pi) (x + 0.044715 x^3)
        dx = dy ((1 + t) + x (1 - t^2) u') / 2

    It equals PyTorch's `gelu(approximate="tanh")`. The exact unit, x Phi(x), needs erf, which NumPy does not have; the
    two differ by less than 5e-4. Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.

    >>> GELU() == GELU()
    True
    """

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return x (1 + t) / 2."""
        t = xp.square(x, out=tape.empty("t", x.shape))
        xp.multiply(t, CUBIC, out=t)
        xp.add(t, LINEAR, out=t)
        xp.multiply(t, x, out=t)
        xp.tanh(t, out=t)
        tape.saved = (x, t)
        y = xp.add(t, 1.0, out=tape.empty("y", x.shape))
        xp.multiply(y, x, out=y)
        return xp.multiply(y, 0.5, out=y)

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
        x, t = tape.saved
        slope = xp.square(x, out=tape.empty("slope", x.shape))
        xp.multiply(slope, 3 * CUBIC, out=slope)
        xp.add(slope, LINEAR, out=slope)
        xp.multiply(slope, x, out=slope)  # x u'
        lost = xp.square(t, out=tape.empty("lost", x.shape))
        xp.multiply(lost, slope, out=lost)
        xp.subtract(slope, lost, out=slope)  # x u' (1 - t^2)
        xp.add(slope, t, out=slope)
        xp.add(slope, 1.0, out=slope)
        xp.multiply(slope, 0.5, out=slope)
        return xp.multiply(dy, slope, out=dy)
