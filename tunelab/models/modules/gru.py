"""A recurrent network of gated units."""

import math

import torch
from torch import Tensor, nn

from tunelab.models.modules.initial import scaled


class GatedLayer(nn.Module):
    """Gated recurrent units, as `torch.nn.GRU` defines them.

        r, z, c = x_t W + b,  r', z', c' = h_(t-1) U + d
        r = sigmoid(r + r'),  z = sigmoid(z + z'),  c = tanh(c + r * c')
        h_t = (1 - z) * c + z * h_(t-1),  h_0 = 0

    A loop over cells, since `torch.nn.GRU` has no rule for `vmap`; x W of all steps is one product.

    Args:
        width: units, and numbers a place.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        bound = 1 / math.sqrt(width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return the states `(B, length, width)` for `(B, length, width)`."""
        state = torch.zeros_like(x[:, 0])
        states = []
        for given in self.input(x).unbind(1):
            r, z, c = given.chunk(3, -1)
            own_r, own_z, own_c = self.recurrent(state).chunk(3, -1)
            candidate = torch.tanh(c + torch.sigmoid(r + own_r) * own_c)
            state = torch.lerp(candidate, state, torch.sigmoid(z + own_z))
            states.append(state)
        return torch.stack(states, 1)


class RecurrentNet(nn.Module):
    """Symbols embedded, recurrent layers with dropout behind each, and a linear output.

    Args:
        symbols: how many different ones.
        outputs: classes or values.
        everywhere: tell them at each place of a row, else at its last.
        width, depth, dropout: see `tunelab.models.GRU`.
    """

    def __init__(self, symbols: int, outputs: int, *, everywhere: bool, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.symbol = nn.Embedding(symbols, width)
        layers = (layer for _ in range(depth) for layer in (GatedLayer(width), nn.Dropout(dropout)))
        self.layers = nn.Sequential(*layers)
        self.output = scaled(nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, length, outputs)`, or `(B, outputs)`, for symbols `(B, length)`."""
        states = self.layers(self.symbol(x))
        told: Tensor = self.output(states if self.everywhere else states[:, -1])
        return told
