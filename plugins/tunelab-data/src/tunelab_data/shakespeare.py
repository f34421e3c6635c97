"""Plays, one character after another."""

from importlib.resources import files
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import PositiveInt, model_validator

from tunelab.contracts import Dataset, Table
from tunelab.errors import DataError, PluginError


class Shakespeare(Dataset):
    """Eight plays by Shakespeare, cut into stretches that share no character; the next character is to be told.

    A row is `length` characters, x `(rows, length)`, and its target the one that follows at each place,
    y `(rows, length)`: what a transformer or a recurrent network learns from. With `predict="last"` only the one that
    follows the whole row is to be told, y `(rows,)`. Symbols are numbered in the order of their code points, which
    `classes` lists. With `one_hot`, x is `(rows, length * symbols)` of zeros and ones, and y the last: what an MLP or a
    softmax regression can use, at 8 bytes a number.

    Always telling a blank, the most frequent symbol, is right in 15 of 100 cases; a uniform guess costs log(symbols)
    nats.

    Source: Open Shakespeare 0.6, from Project Gutenberg. The works are in the public domain, the compilation is
    CC-BY 2.5, (c) 2005-08 Open Knowledge Foundation; `texts/ATTRIBUTION.md` says what was changed.

    Attributes:
        length: characters in a row.
        rows: the first so many stretches; None for all.
        predict: "each" for the character behind each place, "last" for the one behind the row; "auto" is "each"
            unless `one_hot`.
        one_hot: a column for each symbol and place, in place of one for each place.

    Raises:
        PluginError: `one_hot` with `predict="each"`.
        DataError: on loading, more rows than the text holds.

    >>> table = Shakespeare(length=6, rows=2).load()
    >>> "".join(table.classes[int(code)] for code in table.x[0]), "".join(table.classes[code] for code in table.y[0])
    ('HAMLET', 'AMLET,')
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "none"
    length: PositiveInt = 32
    rows: PositiveInt | None = None
    predict: Literal["auto", "each", "last"] = "auto"
    one_hot: bool = False

    @model_validator(mode="after")
    def _one_target_for_one_hot(self) -> Self:
        if self.one_hot and self.predict == "each":
            raise PluginError(
                "Shakespeare: one_hot rows have one target, and predict='each' asks for one at each place; "
                "use predict='last', or leave one_hot out"
            )
        return self

    def load(self) -> Table:
        """Return the stretches in the order of the text."""
        text = (files("tunelab_data") / "texts/shakespeare.txt").read_text(encoding="utf-8")
        symbols, codes = np.unique(np.array(list(text)), return_inverse=True)
        stretches = self._stretches(codes.astype(np.int64))
        x = stretches[:, :-1]
        y = stretches[:, -1] if self.one_hot or self.predict == "last" else stretches[:, 1:]
        features = self._one_hot(x, len(symbols)) if self.one_hot else x.astype(np.float64)
        return Table(
            features,
            y.copy(),
            "classes",
            tuple(str(symbol) for symbol in symbols),
            "shakespeare 0.6, eight plays",
            symbols=0 if self.one_hot else len(symbols),
        )

    def _stretches(self, codes: np.ndarray) -> np.ndarray:
        """Return `(rows, length + 1)` codes."""
        held = len(codes) // (self.length + 1)
        wanted = held if self.rows is None else self.rows
        if wanted > held or held < 2:
            raise DataError(
                f"Shakespeare(length={self.length}): {wanted} rows were asked for, and the text of {len(codes)} "
                f"characters holds {held}; lower rows or length"
            )
        return codes[: wanted * (self.length + 1)].reshape(wanted, self.length + 1)

    def _one_hot(self, x: np.ndarray, symbols: int) -> np.ndarray:
        marks: np.ndarray = np.eye(symbols)[x]
        return marks.reshape(len(x), -1)
