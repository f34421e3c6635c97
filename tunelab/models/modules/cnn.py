"""A convolutional network."""

import math
from itertools import pairwise

from torch import Tensor, nn

from tunelab.models.modules.initial import scaled


class ConvBlock(nn.Sequential):
    """Convolution, batch norm if asked, pooling that halves height and width, relu.

    A relu behind the pooling gives what one in front gives, at a quarter of the work.

    Args:
        inputs, outputs: channels.
        kernel: height and width of what a convolution sees; odd.
        batch_norm: normalise each channel over the batch.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, batch_norm: bool) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=not batch_norm)
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        super().__init__(scaled(convolution, math.sqrt(2)), *norm, nn.MaxPool2d(2), nn.ReLU())


class ConvNet(nn.Module):
    """Blocks whose channels double from one to the next, then dropout and a linear output.

    Args:
        image: channels, height and width.
        outputs: classes or values.
        channels, blocks, kernel, dropout, batch_norm: see `tunelab.models.CNN`.

    >>> net = ConvNet((1, 8, 8), 10, channels=4, blocks=2, kernel=3, dropout=0.0, batch_norm=False)
    >>> sum(parameter.numel() for parameter in net.parameters())
    666
    """

    def __init__(
        self,
        image: tuple[int, ...],
        outputs: int,
        *,
        channels: int,
        blocks: int,
        kernel: int,
        dropout: float,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        planes, height, width = image
        widths = [planes, *(channels * 2**index for index in range(blocks))]
        self.blocks = nn.Sequential(*(ConvBlock(*ends, kernel, batch_norm) for ends in pairwise(widths)))
        self.dropout = nn.Dropout(dropout)
        self.output = scaled(nn.Linear(widths[-1] * (height >> blocks) * (width >> blocks), outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, outputs)` for images `(B, channels, height, width)`."""
        told: Tensor = self.output(self.dropout(self.blocks(x).flatten(1)))
        return told
