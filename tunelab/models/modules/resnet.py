"""A residual network."""

import math
from itertools import pairwise

from torch import Tensor, nn

from tunelab.models.modules.initial import scaled

GROUPS = 8
"""Groups of a group norm, unless the channels do not divide so."""


def norm(kind: str, channels: int) -> nn.BatchNorm2d | nn.GroupNorm:
    """Return a normalisation of this many channels: `"batch"`, or `"group"`."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(math.gcd(GROUPS, channels), channels)


def convolution(inputs: int, outputs: int, stride: int, kernel: int = 3) -> nn.Conv2d:
    """Return a convolution without bias, since a norm follows, that keeps height and width but for its stride."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return scaled(layer, math.sqrt(2) if kernel > 1 else 1.0)


class ResidualBlock(nn.Module):
    """Two convolutions, and a shortcut past them.

        y = relu(shortcut(x) + norm(convolution(relu(norm(convolution(x))))))

    The shortcut is the identity, or where the shape changes a convolution of 1 x 1 and a norm (option B).

    Args:
        inputs, outputs: channels.
        stride: what height and width are divided by.
        kind: of norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, kind: str) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            convolution(inputs, outputs, stride),
            norm(kind, outputs),
            nn.ReLU(),
            convolution(outputs, outputs, 1),
            norm(kind, outputs),
        )
        changes = [convolution(inputs, outputs, stride, kernel=1), norm(kind, outputs)]
        self.shortcut = nn.Sequential(*(changes if (inputs, stride) != (outputs, 1) else []))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, outputs, height / stride, width / stride)` for `(B, inputs, height, width)`."""
        y: Tensor = self.relu(self.shortcut(x) + self.inner(x))
        return y


class ResidualNet(nn.Module):
    """A convolution, stages of residual blocks, the mean over all places, dropout and a linear output.

    Args:
        planes: an image's channels.
        outputs: classes or values.
        channels, stages, blocks, norm, dropout: see `tunelab.models.ResNet`.
    """

    def __init__(
        self, planes: int, outputs: int, *, channels: int, stages: int, blocks: int, kind: str, dropout: float
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(planes, channels, 1), norm(kind, channels), nn.ReLU())
        widths = [channels, *(channels * 2**stage for stage in range(stages))]
        self.stages = nn.Sequential(
            *(self._stage(*ends, blocks, 1 if index == 0 else 2, kind) for index, ends in enumerate(pairwise(widths)))
        )
        self.dropout = nn.Dropout(dropout)
        self.output = scaled(nn.Linear(widths[-1], outputs))

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int, kind: str) -> nn.Sequential:
        first = ResidualBlock(inputs, outputs, stride, kind)
        return nn.Sequential(first, *(ResidualBlock(outputs, outputs, 1, kind) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, outputs)` for images `(B, channels, height, width)`."""
        told: Tensor = self.output(self.dropout(self.stages(self.stem(x)).mean((2, 3))))
        return told
