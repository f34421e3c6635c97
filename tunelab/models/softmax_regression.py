"""Softmax regression."""

from tunelab.contracts import Layer, LayerModel
from tunelab.models.layers import Dense


class SoftmaxRegression(LayerModel):
    """A linear map to class scores: out = x W + b, with `CrossEntropy` multinomial logistic regression.

    Convex, so every seed has the same minimum; all parameters start at zero, where every class is equally likely.
    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4.

    >>> SoftmaxRegression().layers(inputs=64, outputs=10)
    (Dense(inputs=64, outputs=10, gain=0.0),)
    """

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the one dense layer."""
        return (Dense(inputs, outputs, gain=0.0),)
