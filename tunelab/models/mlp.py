"""The multilayer perceptron."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tunelab.contracts import Layer, LayerModel
from tunelab.models.layers import GELU, Dense, Dropout, LayerNorm, ReLU, Softplus, Tanh
from tunelab.space import Choice, FromTrials, Int

ACTIVATIONS: Mapping[str, Layer] = {"relu": ReLU(), "tanh": Tanh(), "gelu": GELU(), "softplus": Softplus()}
RECTIFIERS = ("relu", "gelu", "softplus")


class MLP(LayerModel):
    """Hidden layers of one width, then a linear output.

        hidden: dense -> layer norm, if asked -> activation -> dropout, if above 0
        output: dense

    Initial weights are uniform, with gain sqrt(2) in front of relu, gelu and softplus (He et al. 2015,
    arXiv:1502.01852) and gain 1 in front of tanh and of the output (Glorot & Bengio 2010); biases are zero.

    A name (`model="mlp"`) searches width and depth only, and coarsely: members train together only if their shapes
    agree, so every further width or depth splits the populations, and neighbouring powers of two seldom differ by more
    than seeds do. `MLP.search(dropout=Float(0.05, 0.5))` opens the dropout rate, which splits nothing.

    Attributes:
        width: units of each hidden layer.
        depth: hidden layers.
        activation: "relu", "tanh", "gelu" (tanh approximation) or "softplus".
        dropout: the share of hidden units that are zeroed in training; 0 leaves the layer out.
        layer_norm: normalise each hidden layer in front of its activation.

    >>> MLP(width=32, depth=1, activation="tanh").layers(inputs=64, outputs=10)
    (Dense(inputs=64, outputs=32, gain=1.0), Tanh(), Dense(inputs=32, outputs=10, gain=1.0))
    """

    width: Annotated[int, Field(ge=1), Choice(32, 64, 128), FromTrials(10)] = 64
    depth: Annotated[int, Field(ge=1), Int(1, 2), FromTrials(10)] = 1
    activation: Literal["relu", "tanh", "gelu", "softplus"] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    layer_norm: bool = False

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the hidden layers, then the output."""
        widths = [inputs] + [self.width] * self.depth
        hidden = [layer for width in widths[:-1] for layer in self._hidden(width)]
        return (*hidden, Dense(self.width, outputs))

    def _hidden(self, inputs: int) -> list[Layer]:
        gain = math.sqrt(2) if self.activation in RECTIFIERS else 1.0
        norm = [LayerNorm(self.width)] if self.layer_norm else []
        dropout = [Dropout(self.dropout)] if self.dropout > 0 else []
        return [Dense(inputs, self.width, gain), *norm, ACTIVATIONS[self.activation], *dropout]
