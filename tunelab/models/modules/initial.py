"""Where weights begin."""

import math
from typing import TypeVar

from torch import nn

Weighted = TypeVar("Weighted", nn.Linear, nn.Conv2d)


def scaled(layer: Weighted, gain: float = 1.0) -> Weighted:
    """Return the layer with weights that keep the variance of what passes, as `tunelab.models.layers.Dense` has them.

        weights are uniform within gain sqrt(3 / inputs of a unit), biases zero

    The gain is sqrt(2) in front of a relu (He et al. 2015, arXiv:1502.01852), 1 in front of nothing.

    >>> bool(scaled(nn.Linear(3, 200)).weight.abs().max() <= 1)
    True
    """
    bound = gain * math.sqrt(3 / layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
