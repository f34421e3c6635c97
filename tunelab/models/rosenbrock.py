"""Rosenbrock's banana valley."""

from typing import Any

from pydantic import FiniteFloat

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for


class Rosenbrock(LayerModel):
    """A curved valley, flat along its floor and steep across; its minimum is 0, at (1, 1).

        f(x, y) = (1 - x)^2 + 100 (y - x^2)^2

    Source: Rosenbrock, The Computer Journal 3 (1960); the start is that of DeepOBS (Schneider et al. 2019,
    arXiv:1903.05499), which adds noise to the gradient where we do not.

    Attributes:
        start: the initial (x, y).

    >>> import numpy as np
    >>> value, gradient = Rosenbrock().value_and_gradient(np, np.array([[[1.0, 1.0]]]))
    >>> bool(value == 0), bool((gradient == 0).all())
    (True, True)
    """

    start: tuple[FiniteFloat, FiniteFloat] = (-0.5, 1.5)

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f `(P, B)` and its gradient `(P, B, 2)` at z `(P, B, 2)`."""
        x, y = z[..., 0], z[..., 1]
        along, across = 1.0 - x, y - x * x
        value = along * along + 100.0 * across * across
        return value, xp.stack((-2.0 * along - 400.0 * x * across, 200.0 * across), -1)
