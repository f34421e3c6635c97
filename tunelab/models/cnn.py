"""The convolutional network."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.errors import DataError
from tunelab.models.shapes import require_image
from tunelab.space import Choice, FromTrials, Int

if TYPE_CHECKING:
    from tunelab.models.modules.cnn import ConvNet


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("must be odd, so that a convolution keeps height and width")
    return kernel


class CNN(ModuleModel):
    """Blocks of convolution and pooling whose channels double from one to the next, then a linear output.

        block:  convolution -> batch norm, if asked -> max pooling by 2 -> relu
        output: dropout -> dense

    Initial weights are uniform, with gain sqrt(2) in a convolution (He et al. 2015, arXiv:1502.01852) and gain 1 in the
    output; biases are zero. Needs images, and `backend="torch"`.

    A name (`model="cnn"`) searches channels and blocks only, and coarsely: members train together only if their shapes
    agree. `CNN.search(dropout=Float(0.05, 0.5))` opens the dropout rate, which splits nothing.

    Source: LeCun et al., Proceedings of the IEEE 86 (1998), with relu and pooling by the largest, as in Krizhevsky et
    al. (2012).

    Attributes:
        channels: of the first block.
        blocks: of convolution and pooling; an image halves in each.
        kernel: height and width of what a convolution sees; odd.
        dropout: the share of the last block's numbers that are zeroed in training.
        batch_norm: normalise each channel over the batch.

    Raises:
        DataError: on building, rows that are no images, or images too small for so many blocks.

    >>> CNN(blocks=4).module(Inputs((1, 8, 8)), Outputs(10))
    Traceback (most recent call last):
    tunelab.errors.DataError: CNN(blocks=4) halves an image 4 times, and those of this data are 8 x 8; 3 blocks at most
    """

    channels: Annotated[int, Field(ge=1), Choice(8, 16, 32), FromTrials(10)] = 16
    blocks: Annotated[int, Field(ge=1), Int(1, 3), FromTrials(25)] = 2
    kernel: Annotated[int, Field(ge=1), AfterValidator(_odd)] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_norm: bool = False

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse what is no image, and images that cannot be halved so often."""
        require_image("cnn", inputs, outputs)
        _, height, width = inputs.shape
        most = min(height, width).bit_length() - 1
        if self.blocks > most:
            raise DataError(
                f"CNN(blocks={self.blocks}) halves an image {self.blocks} times, and those of this data are "
                f"{height} x {width}; {most} blocks at most"
            )

    def module(self, inputs: Inputs, outputs: Outputs) -> "ConvNet":
        """Return `(B, channels, height, width)` -> `(B, classes or values)`."""
        self.fits(inputs, outputs)
        from tunelab.models.modules.cnn import ConvNet

        return ConvNet(
            inputs.shape,
            outputs.count,
            channels=self.channels,
            blocks=self.blocks,
            kernel=self.kernel,
            dropout=self.dropout,
            batch_norm=self.batch_norm,
        )
