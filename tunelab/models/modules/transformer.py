"""A decoder-only transformer."""

import math

import torch
from torch import Tensor, nn

from tunelab.models.modules.initial import scaled


class Attention(nn.Module):
    """Causal attention: each place looks at itself and at those before it.

        softmax(q k^T / sqrt(width / heads) + mask) v, of each head; mask is -inf where a place would look ahead

    `scaled_dot_product_attention` is not used: it has no rule for `vmap`, and is no faster on a CPU.

    Args:
        width: numbers a place.
        heads: that share them.
        gain: how wide the initial weights of the last map are.
    """

    def __init__(self, width: int, heads: int, gain: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = scaled(nn.Linear(width, 3 * width))
        self.out = scaled(nn.Linear(width, width), gain)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, length, width)` for `(B, length, width)`."""
        length = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        mask = torch.full((length, length), -math.inf, dtype=x.dtype, device=x.device).triu(1)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + mask
        seen: Tensor = self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return seen


class Block(nn.Module):
    """Attention, then a perceptron four times as wide, each behind a layer norm and around it a sum.

        x = x + dropout(attention(norm(x)))
        x = x + dropout(perceptron(norm(x)))

    Args:
        width: numbers a place.
        heads: of the attention.
        dropout: the share of each sum's new part that is zeroed in training.
        gain: how wide the initial weights in front of each sum are.
    """

    def __init__(self, width: int, heads: int, dropout: float, gain: float) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(width), Attention(width, heads, gain), nn.Dropout(dropout))
        self.think = nn.Sequential(
            nn.LayerNorm(width),
            scaled(nn.Linear(width, 4 * width), math.sqrt(2)),
            nn.GELU(),
            scaled(nn.Linear(4 * width, width), gain),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, length, width)` for `(B, length, width)`."""
        x = x + self.attend(x)
        summed: Tensor = x + self.think(x)
        return summed


class Decoder(nn.Module):
    """Symbols and places embedded, blocks, a layer norm, and a linear output.

    Args:
        length: symbols in a row.
        symbols: how many different ones.
        outputs: classes or values.
        everywhere: tell them at each place of a row, else at its last.
        width, heads, depth, dropout: see `tunelab.models.Transformer`.
    """

    def __init__(
        self,
        length: int,
        symbols: int,
        outputs: int,
        *,
        everywhere: bool,
        width: int,
        heads: int,
        depth: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.symbol = nn.Embedding(symbols, width)
        self.place = nn.Parameter(torch.empty(length, width))
        for table in (self.symbol.weight, self.place):
            nn.init.normal_(table, std=0.1)
        self.dropout = nn.Dropout(dropout)
        gain = 1 / math.sqrt(2 * depth)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout, gain) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = scaled(nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, length, outputs)`, or `(B, outputs)`, for symbols `(B, length)`."""
        hidden = self.blocks(self.dropout(self.symbol(x) + self.place))
        told: Tensor = self.output(self.norm(hidden if self.everywhere else hidden[:, -1]))
        return told
