"""The transformer that reads text."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.errors import PluginError
from tunelab.models.shapes import require_text
from tunelab.space import Choice, FromTrials

if TYPE_CHECKING:
    from tunelab.models.modules.transformer import Decoder


class Transformer(ModuleModel):
    """A decoder-only transformer: each place of a text looks at those before it.

        x = dropout(embedding of the symbol + embedding of the place)
        block:  x = x + dropout(attention(norm(x)));  x = x + dropout(dense(gelu(dense(norm(x)))))
        output: dense(norm(x))

    It tells a class at each place where the data has one for each (the next character), else at the last place alone.
    The perceptron of a block is four times as wide; embeddings of places are learned, and the output's weights are its
    own, since classes need not be symbols. Needs rows of symbols, and `backend="torch"`.

    Initial weights are uniform, with gain 1 (sqrt(2) in front of gelu, 1 / sqrt(2 depth) in front of a sum), biases
    zero, embeddings normal with a deviation of 0.1: of 0.02 (GPT-2) to 1 the best on characters at rates of 0.001 to
    0.01, all in all.

    Source: Vaswani et al. (2017), arXiv:1706.03762; norms in front, and gelu, as in GPT-2 (Radford et al. 2019).

    Attributes:
        width: numbers a place.
        heads: of the attention; they share the width evenly.
        depth: blocks.
        dropout: the share that is zeroed in training, of the embeddings and of what each sum adds.

    Raises:
        PluginError: a width that the heads do not divide.
        DataError: on building, rows that are no symbols.

    >>> Transformer(width=30, heads=4)
    Traceback (most recent call last):
    tunelab.errors.PluginError: Transformer: heads must divide width=30 evenly, was 4
    """

    width: Annotated[int, Field(ge=1), Choice(32, 64, 128), FromTrials(10)] = 64
    heads: Annotated[int, Field(ge=1)] = 4
    depth: Annotated[int, Field(ge=1), Choice(1, 2, 4), FromTrials(25)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise PluginError(f"Transformer: heads must divide width={self.width} evenly, was {self.heads}")
        return self

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse what is no text."""
        require_text("transformer", inputs, outputs)

    def module(self, inputs: Inputs, outputs: Outputs) -> "Decoder":
        """Return `(B, length)` -> `(B, length, classes)`, or `(B, classes or values)`."""
        self.fits(inputs, outputs)
        from tunelab.models.modules.transformer import Decoder

        return Decoder(
            inputs.shape[0],
            inputs.symbols,
            outputs.count,
            everywhere=outputs.places > 0,
            width=self.width,
            heads=self.heads,
            depth=self.depth,
            dropout=self.dropout,
        )
