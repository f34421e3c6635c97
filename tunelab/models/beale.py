"""Beale's function."""

from typing import Any

from pydantic import FiniteFloat

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for


class Beale(LayerModel):
    """A plain with sharp peaks at its corners; its minimum is 0, at (3, 0.5).

        f(x, y) = (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2

    Source: Beale (1958), as problem 5 of Moré, Garbow & Hillstrom, ACM TOMS 7 (1981), with their start. DeepOBS
    (Schneider et al. 2019, arXiv:1903.05499) starts at (-4.5, 4.5), where the gradient is 2.4e5 long: gradient descent
    at a fixed rate then diverges from 1e-4 up, and below ends on the far side of the plain.

    Attributes:
        start: the initial (x, y).

    >>> import numpy as np
    >>> value, gradient = Beale().value_and_gradient(np, np.array([[[3.0, 0.5]]]))
    >>> bool(value == 0), bool((gradient == 0).all())
    (True, True)
    """

    start: tuple[FiniteFloat, FiniteFloat] = (1.0, 1.0)

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f `(P, B)` and its gradient `(P, B, 2)` at z `(P, B, 2)`."""
        x, y = z[..., 0], z[..., 1]
        square = y * y
        cube = square * y
        a, b, c = 1.5 - x + x * y, 2.25 - x + x * square, 2.625 - x + x * cube
        along_x = 2.0 * (a * (y - 1.0) + b * (square - 1.0) + c * (cube - 1.0))
        along_y = 2.0 * x * (a + 2.0 * b * y + 3.0 * c * square)
        return a * a + b * b + c * c, xp.stack((along_x, along_y), -1)
