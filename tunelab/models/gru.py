"""The recurrent network that reads text."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.models.shapes import require_text
from tunelab.space import Choice, FromTrials, Int

if TYPE_CHECKING:
    from tunelab.models.modules.gru import RecurrentNet


class GRU(ModuleModel):
    """Gated recurrent units that read a text one symbol after another.

        r, z = sigmoid(x_t W + b + h_(t-1) U + d),  c = tanh(x_t W_c + b_c + r * (h_(t-1) U_c + d_c))
        h_t = (1 - z) * c + z * h_(t-1),  h_0 = 0
        output: dense(dropout(h_t))

    It tells a class at each place where the data has one for each (the next character), else at the last place alone.
    Units, their initial weights, uniform within 1 / sqrt(width), and the place of r (behind the product, where Cho et
    al. have it in front) are those of `torch.nn.GRU`. Symbols are embedded as `width` numbers. Needs rows of symbols,
    and `backend="torch"`.

    Source: Cho et al. (2014), arXiv:1406.1078.

    Attributes:
        width: units of each layer.
        depth: layers.
        dropout: the share of each layer's units that are zeroed in training, for the next layer and the output.

    Raises:
        DataError: on building, rows that are no symbols.

    >>> GRU.ranges()
    {'width': Choice(32, 64, 128), 'depth': Int(1, 2)}
    """

    width: Annotated[int, Field(ge=1), Choice(32, 64, 128), FromTrials(10)] = 64
    depth: Annotated[int, Field(ge=1), Int(1, 2), FromTrials(25)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse what is no text."""
        require_text("gru", inputs, outputs)

    def module(self, inputs: Inputs, outputs: Outputs) -> "RecurrentNet":
        """Return `(B, length)` -> `(B, length, classes)`, or `(B, classes or values)`."""
        self.fits(inputs, outputs)
        from tunelab.models.modules.gru import RecurrentNet

        return RecurrentNet(
            inputs.symbols,
            outputs.count,
            everywhere=outputs.places > 0,
            width=self.width,
            depth=self.depth,
            dropout=self.dropout,
        )
