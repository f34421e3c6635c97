"""Layer normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunelab.contracts import Array, Layer, Parameter, Tape
from tunelab.models.sums import sum_features, sum_rows

EPSILON = 1e-5


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalise every row over its features.

        z = (x - mean x) r,  r = 1 / sqrt(mean (x - mean x)^2 + 1e-5),  y = z gain + bias
        d gain = sum over rows of dy z,  d bias = sum over rows of dy
        dx = r (dz - mean dz - z mean(dz z)),  dz = dy gain

    Shapes: x and y (P, B, width); gain, at first 1, and bias, at first 0, (P, width). It equals PyTorch's `layer_norm`.
    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450.

    Attributes:
        width: features of a row.

    >>> [parameter.center for parameter in LayerNorm(8).parameters()]
    [1.0, 0.0]
    """

    width: int

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the gain and the bias."""
        return Parameter("gain", (self.width,), center=1.0), Parameter("bias", (self.width,))

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return z gain + bias."""
        per_row = (*x.shape[:2], 1)
        z, y = tape.empty("z", x.shape), tape.empty("y", x.shape)
        mean = self._mean(xp, x, out=tape.empty("mean", per_row))
        xp.subtract(x, mean, out=z)
        xp.square(z, out=y)
        r = self._mean(xp, y, out=tape.empty("r", per_row))
        xp.add(r, EPSILON, out=r)
        xp.sqrt(r, out=r)
        xp.reciprocal(r, out=r)
        xp.multiply(z, r, out=z)
        tape.saved = (z, r)
        xp.multiply(z, params["gain"][:, None, :], out=y)
        return xp.add(y, params["bias"][:, None, :], out=y)

    def backward(
        self,
        xp: Any,
        dy: Array,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        tape: Tape,
        wanted: bool,
    ) -> Array:
        """Write the gradients of gain and bias; return dx."""
        z, r = tape.saved
        work, mean = tape.empty("work", z.shape), tape.empty("mean", r.shape)
        sum_rows(xp, dy, out=grads["bias"][:, None, :])
        xp.multiply(dy, z, out=work)
        sum_rows(xp, work, out=grads["gain"][:, None, :])
        if not wanted:
            return None
        dz = xp.multiply(dy, params["gain"][:, None, :], out=dy)
        xp.multiply(dz, z, out=work)
        self._mean(xp, work, out=mean)
        xp.multiply(z, mean, out=work)
        self._mean(xp, dz, out=mean)
        xp.subtract(dz, mean, out=dz)
        xp.subtract(dz, work, out=dz)
        return xp.multiply(dz, r, out=dz)

    def _mean(self, xp: Any, values: Array, out: Array) -> Array:
        sum_features(xp, values, out)
        return xp.divide(out, self.width, out=out)
