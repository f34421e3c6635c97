"""Which data a PyTorch model is for, said before anything trains."""

import math

from tunelab.contracts import Inputs, Outputs
from tunelab.errors import DataError


def require_image(model: str, inputs: Inputs, outputs: Outputs) -> None:
    """Refuse rows that are no images.

    Raises:
        DataError: a row that is no image, or several places to tell the class of.

    >>> require_image("cnn", Inputs((64,)), Outputs(10))
    Traceback (most recent call last):
    tunelab.errors.DataError: the model cnn needs images (channels, height, width), and a row of this data is 64 \
numbers; if these are pixels, say how they lie: Arrays(x, y, shape=(1, 8, 8)); else choose a model such as mlp
    """
    if len(inputs.shape) != 3 or inputs.symbols:
        raise DataError(
            f"the model {model} needs images (channels, height, width), and a row of this data is {_told(inputs)}; "
            f"if these are pixels, say how they lie: Arrays(x, y, shape={_guess(inputs)}); "
            "else choose a model such as mlp"
        )
    if outputs.places:
        raise DataError(
            f"the model {model} tells one class a row, and this data has one for each of {outputs.places} places; "
            "choose a model such as transformer, or data with one class a row"
        )


def require_text(model: str, inputs: Inputs, outputs: Outputs) -> None:
    """Refuse rows that are no text.

    Raises:
        DataError: a row that is no text, or places to tell the class of that are not those of the row.

    >>> require_text("gru", Inputs((64,)), Outputs(10))
    Traceback (most recent call last):
    tunelab.errors.DataError: the model gru needs rows of symbols 0, 1, ..., and a row of this data is 64 numbers; if \
they are symbols, say how many there are: Arrays(x, y, symbols=256); else choose a model such as mlp
    """
    if not inputs.symbols or len(inputs.shape) != 1:
        raise DataError(
            f"the model {model} needs rows of symbols 0, 1, ..., and a row of this data is {_told(inputs)}; "
            "if they are symbols, say how many there are: Arrays(x, y, symbols=256); else choose a model such as mlp"
        )
    (length,) = inputs.shape
    if outputs.places not in (0, length):
        raise DataError(
            f"the model {model} tells a class for each of a row's {length} symbols, and this data has "
            f"{outputs.places} a row; give y of shape (rows, {length}), or one class a row"
        )


def require_numbers(model: str, inputs: Inputs) -> None:
    """Refuse rows that are no numbers.

    Raises:
        DataError: symbols, whose numbers mean nothing.
    """
    if inputs.symbols:
        raise DataError(
            f"the model {model} needs rows of real numbers, and a row of this data is {_told(inputs)}; "
            "choose a model such as transformer"
        )


def _told(inputs: Inputs) -> str:
    sides = " x ".join(map(str, inputs.shape))
    return f"{sides} symbols" if inputs.symbols else f"{sides} numbers"


def _guess(inputs: Inputs) -> tuple[int, int, int]:
    """Return a square of one or three channels, if a row may be one."""
    numbers = math.prod(inputs.shape)
    for channels in (1, 3):
        side = math.isqrt(numbers // channels)
        if side > 1 and channels * side * side == numbers:
            return channels, side, side
    return 1, 28, 28
