"""A point that is itself what trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tunelab.contracts import Array, Layer, Parameter, Tape


@dataclass(frozen=True)
class Point(Layer):
    """The parameters themselves, as the one row of every member: y = theta, d theta = dy.

    Shapes: theta (P, n), y (P, 1, n); the inputs are ignored.

    Attributes:
        start: the initial theta, the same for every seed.

    >>> Point((-0.5, 1.5)).parameters()
    (Parameter(name='theta', shape=(2,), bound=0.0, center=(-0.5, 1.5)),)
    """

    shares_rows: ClassVar[bool] = True
    start: tuple[float, ...]

    def parameters(self) -> tuple[Parameter, ...]:
        """Return theta."""
        return (Parameter("theta", (len(self.start),), center=self.start),)

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return a copy of theta, since a caller may overwrite what a layer returns."""
        theta = params["theta"]
        y = tape.empty("y", (theta.shape[0], 1, theta.shape[1]))
        y[...] = theta[:, None, :]
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
        """Write d theta; there is no gradient of the inputs."""
        grads["theta"][...] = dy[:, 0, :]
