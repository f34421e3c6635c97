"""Text to learn from, without a file."""

import torch
from torch import Tensor

VERSE = (
    "From fairest creatures we desire increase,\nThat thereby beauty's rose might never die,\n"
    "But as the riper should by time decease,\nHis tender heir might bear his memory:\n"
)
SYMBOLS = sorted(set(VERSE))


def verses(length: int) -> tuple[Tensor, Tensor]:
    """Return every stretch of that length `(rows, length)`, and the symbol behind each place of it."""
    codes = torch.tensor([SYMBOLS.index(letter) for letter in VERSE])
    stretches = codes.unfold(0, length + 1, 1)
    return stretches[:, :-1], stretches[:, 1:]
