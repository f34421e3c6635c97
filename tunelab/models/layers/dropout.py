"""Dropout, with a rate for each member."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunelab.contracts import Array, Layer, Tape


@dataclass(frozen=True)
class Dropout(Layer):
    """Inverted dropout, elementwise on (P, B, H).

        y = x k,  dx = dy k,  k = 0 with probability rate, else 1 / (1 - rate)

    In evaluation y = x. Members with different rates train together; a rate of 0 gives y = x exactly. Source:
    Srivastava et al., JMLR 15 (2014), who scale in evaluation where we scale in training.

    Attributes:
        share: the rate, at least 0 and below 1.

    >>> Dropout(0.1) == Dropout(0.5)
    True
    """

    share: float = field(compare=False)

    def rate(self) -> float:
        """Return the rate."""
        return self.share

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return x k in training, x in evaluation."""
        if not tape.training:
            return x
        keep = xp.greater_equal(tape.uniform("noise", x.shape), tape.rates, out=tape.empty("keep", x.shape))
        xp.multiply(keep, 1.0 / (1.0 - tape.rates), out=keep)
        tape.saved = (keep,)
        return xp.multiply(x, keep, out=tape.empty("y", x.shape))

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
        (keep,) = tape.saved
        return xp.multiply(dy, keep, out=dy)
