"""Branin's function."""

import math
from typing import Any

from pydantic import FiniteFloat

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for

B = 5.1 / (4 * math.pi**2)
C = 5 / math.pi
S = 10 * (1 - 1 / (8 * math.pi))


class Branin(LayerModel):
    """Three valleys of the same depth; its minimum is 0.397887, at (-pi, 12.275), (pi, 2.275) and (3 pi, 2.475).

        f(x, y) = (y - b x^2 + c x - 6)^2 + s cos x + 10
        b = 5.1 / (4 pi^2),  c = 5 / pi,  s = 10 (1 - 1 / (8 pi))

    Source: Branin, IBM Journal of Research and Development 16 (1972), in the form of Dixon & Szegö (1978); the start is
    that of DeepOBS (Schneider et al. 2019, arXiv:1903.05499).

    Attributes:
        start: the initial (x, y).

    >>> import numpy as np
    >>> value, _ = Branin().value_and_gradient(np, np.array([[[np.pi, 2.275]]]))
    >>> round(float(value[0, 0]), 6)
    0.397887
    """

    start: tuple[FiniteFloat, FiniteFloat] = (2.5, 12.5)

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f `(P, B)` and its gradient `(P, B, 2)` at z `(P, B, 2)`."""
        # a fresh x lies alike in memory for any P, so cos takes the same path, and gives the same bits
        x, y = 1.0 * z[..., 0], z[..., 1]
        valley = y - B * x * x + C * x - 6.0
        along_x = 2.0 * valley * (C - 2.0 * B * x) - S * xp.sin(x)
        return valley * valley + S * xp.cos(x) + 10.0, xp.stack((along_x, 2.0 * valley), -1)
