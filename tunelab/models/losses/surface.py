"""The loss of a function that is minimised without data."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from tunelab.contracts import Array, Loss, Tape, Targets
from tunelab.errors import DataError


class Differentiable(Protocol):
    """A function of n numbers that knows its gradient."""

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f(z) `(P, B)` and its gradient `(P, B, n)` at the points z `(P, B, n)`."""


@dataclass(frozen=True)
class Surface(Loss):
    """The height of a function at the points that the model returns: loss = f(out).

    Shapes: out (P, B, n). Targets are ignored.

    Attributes:
        function: what is minimised.

    >>> import numpy as np
    >>> from tunelab.models import Quadratic
    >>> float(Surface(Quadratic()).evaluate(np, np.array([[[3.0]]]), None)["loss"][0])
    9.0
    """

    function: Differentiable
    targets: ClassVar[Targets] = "none"

    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the heights (P, B) and their gradients (P, B, n)."""
        return self.function.value_and_gradient(xp, out)

    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return the summed heights, (P,)."""
        values, _ = self.function.value_and_gradient(xp, out)
        return {"loss": xp.sum(values, axis=-1)}


def surface_for(function: Differentiable, targets: Targets) -> Surface:
    """Return the loss of a function.

    Raises:
        DataError: there is data to predict, which a function cannot.
    """
    if targets != "none":
        raise DataError(
            f"{type(function).__name__} is a function to minimise and predicts no {targets}; "
            "drop data=..., or choose a model for data, such as 'mlp'"
        )
    return Surface(function)
