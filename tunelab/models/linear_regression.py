"""Linear regression."""

from tunelab.contracts import Layer, LayerModel
from tunelab.models.layers import Dense


class LinearRegression(LayerModel):
    """A linear map to values: out = x W + b, with `MeanSquaredError` ordinary least squares.

    Convex, so every seed has the same minimum; all parameters start at zero.
    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 3.1.

    >>> LinearRegression().layers(inputs=10, outputs=1)
    (Dense(inputs=10, outputs=1, gain=0.0),)
    """

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the one dense layer."""
        return (Dense(inputs, outputs, gain=0.0),)
