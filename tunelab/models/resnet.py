"""The residual network."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.models.shapes import require_image
from tunelab.space import Choice, FromTrials

if TYPE_CHECKING:
    from tunelab.models.modules.resnet import ResidualNet


class ResNet(ModuleModel):
    """A small residual network of basic blocks, as He et al. train it on small images.

        stem:   convolution of 3 x 3 -> norm -> relu
        block:  y = relu(shortcut(x) + norm(convolution(relu(norm(convolution(x))))))
        output: mean over all places -> dropout -> dense

    A stage is so many blocks. From one stage to the next channels double, and height and width halve; the shortcut is
    then a convolution of 1 x 1 and a norm, else the identity. With 16 channels and 3 stages of n blocks it is the
    network of 6 n + 2 layers of section 4.2, whose own shortcuts are padded with zeros. Initial weights are uniform,
    with gain sqrt(2) (arXiv:1502.01852). Needs images, and `backend="torch"`.

    Group norm (Wu & He 2018, arXiv:1803.08494) has 8 groups, or as many as divide 8 and the channels; it does not
    depend on the batch, so it suits small ones.

    Source: He et al. (2015), arXiv:1512.03385: the relu behind the sum, not the pre-activation of arXiv:1603.05027.

    Attributes:
        channels: of the first stage.
        stages: of blocks.
        blocks: of each stage.
        norm: "batch" or "group".
        dropout: the share of the last stage's means that are zeroed in training.

    Raises:
        DataError: on building, rows that are no images.

    >>> ResNet.ranges()
    {'channels': Choice(8, 16, 32), 'blocks': Choice(1, 2)}
    """

    channels: Annotated[int, Field(ge=1), Choice(8, 16, 32), FromTrials(10)] = 16
    stages: Annotated[int, Field(ge=1)] = 3
    blocks: Annotated[int, Field(ge=1), Choice(1, 2), FromTrials(25)] = 1
    norm: Literal["batch", "group"] = "batch"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse what is no image."""
        require_image("resnet", inputs, outputs)

    def module(self, inputs: Inputs, outputs: Outputs) -> "ResidualNet":
        """Return `(B, channels, height, width)` -> `(B, classes or values)`."""
        self.fits(inputs, outputs)
        from tunelab.models.modules.resnet import ResidualNet

        return ResidualNet(
            inputs.shape[0],
            outputs.count,
            channels=self.channels,
            stages=self.stages,
            blocks=self.blocks,
            kind=self.norm,
            dropout=self.dropout,
        )
