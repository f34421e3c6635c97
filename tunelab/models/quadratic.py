"""A bowl."""

from typing import Annotated, Any, Self

from pydantic import Field, FiniteFloat, PositiveFloat, model_validator

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets
from tunelab.errors import PluginError
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for


class Quadratic(LayerModel):
    """A bowl whose axes may be differently steep; its minimum is 0, at 0.

        f(theta) = sum over i of c[i] theta[i]^2
        gradient[i] = 2 c[i] theta[i]

    Gradient descent multiplies theta[i] by 1 - 2 lr c[i] a step: from theta = 1 with c = 1 and lr = 0.01 the loss
    after k steps is 0.98^(2k), and from lr = 1 / max(c) on it no longer falls.

    Attributes:
        start: the initial theta.
        curvature: c, one number for each of theta's, or one for all.

    >>> import numpy as np
    >>> value, gradient = Quadratic(start=(1.0, 1.0), curvature=(1.0, 50.0)).value_and_gradient(np, np.ones((1, 1, 2)))
    >>> value.tolist(), gradient.tolist()
    ([[51.0]], [[[2.0, 100.0]]])
    """

    start: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)] = (1.0,)
    curvature: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0,)

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.curvature) not in (1, len(self.start)):
            raise PluginError(
                f"Quadratic: curvature needs one number, or one for each of start's {len(self.start)}, "
                f"was {self.curvature!r}"
            )
        return self

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f `(P, B)` and its gradient `(P, B, n)` at z `(P, B, n)`."""
        steep = xp.asarray(self.curvature, dtype=z.dtype, device=z.device) * z
        return xp.sum(steep * z, axis=-1), 2.0 * steep
