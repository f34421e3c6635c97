"""A function without a slope."""

from typing import Any

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for


class Plateau(LayerModel):
    """A plain at height 1, where every gradient is zero: what a rule does there, it does by itself.

    Attributes:
        start: the initial theta.

    >>> import numpy as np
    >>> Plateau().value_and_gradient(np, np.ones((1, 1, 3)))[1].tolist()
    [[[0.0, 0.0, 0.0]]]
    """

    start: tuple[float, ...] = (1.0, -2.0, 0.0)

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return ones `(P, B)` and zeros `(P, B, n)` at z `(P, B, n)`."""
        return xp.ones_like(z[..., 0]), xp.zeros_like(z)
