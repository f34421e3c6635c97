"""The fully connected layer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tunelab.contracts import Array, Layer, Parameter, Tape
from tunelab.models.sums import sum_rows


@dataclass(frozen=True)
class Dense(Layer):
    """A linear map with a bias.

        y = x W + b
        dW = x^T dy,  db = sum over rows of dy,  dx = dy W^T

    Shapes: x (P, B, inputs), or (1, B, inputs) where all members see the same rows; W (P, inputs, outputs);
    b (P, outputs); y (P, B, outputs).

    Initial weights are uniform with variance gain^2 / inputs, so within gain sqrt(3 / inputs), and biases are zero.
    That keeps the variance of activations from layer to layer with a gain of sqrt(2) in front of a rectifier (He et
    al. 2015, arXiv:1502.01852, eq. 10) and of 1 in front of tanh or nothing (Glorot & Bengio, AISTATS 2010, who
    average the numbers of inputs and outputs where we take the inputs, as PyTorch's `kaiming_uniform_` does).

    Attributes:
        inputs: numbers a row comes with.
        outputs: numbers a row leaves with.
        gain: how wide initial weights are; 0 starts them at zero.

    >>> Dense(3, 2, gain=2.0).parameters()[0]
    Parameter(name='weight', shape=(3, 2), bound=2.0, center=0.0)
    """

    shares_rows: ClassVar[bool] = True
    inputs: int
    outputs: int
    gain: float = 1.0

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the weight and the bias."""
        bound = self.gain * math.sqrt(3 / self.inputs)
        return Parameter("weight", (self.inputs, self.outputs), bound), Parameter("bias", (self.outputs,))

    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: Tape) -> Array:
        """Return x W + b."""
        weight = params["weight"]
        tape.saved = (x,)
        y = tape.empty("y", (weight.shape[0], x.shape[1], self.outputs))
        xp.matmul(x, weight, out=y)
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
        """Write dW and db; return dx."""
        (x,) = tape.saved
        xp.matmul(x.swapaxes(1, 2), dy, out=grads["weight"])
        sum_rows(xp, dy, out=grads["bias"][:, None, :])
        if not wanted:
            return None
        return xp.matmul(dy, params["weight"].swapaxes(1, 2), out=tape.empty("dx", x.shape))
