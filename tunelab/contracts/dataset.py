"""A data set: where the rows come from."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tunelab.contracts.arrays import Targets
from tunelab.contracts.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the features of one row are.

    Attributes:
        shape: `(features,)`, or of an image `(channels, height, width)`, or of a text `(length,)`.
        symbols: how many different symbols there are, where features are symbols 0, 1, ... (a text's characters); 0
            where they are real numbers.
        unit: whether all that are trained on lie from 0 to 1, as pixels do.
    """

    shape: tuple[int, ...]
    symbols: int = 0
    unit: bool = False


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is to be told of one row.

    Attributes:
        count: classes, or values; 0 where the data do not say, and what a module returns is not checked.
        places: how many places of a row have a class each (each character of a text); 0 where the row as a whole has
            one, or values.

    >>> Outputs(10).shape, Outputs(76, places=32).shape
    ((10,), (32, 76))
    """

    count: int
    places: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """What a module returns for one row: `(count,)`, or `(places, count)`."""
        return (self.places, self.count) if self.places else (self.count,)


@dataclass(frozen=True, eq=False)
class Table:
    """A data set in memory: rows of features and what to predict of each.

    Attributes:
        x: features `(rows, features)`, float, flat whatever their shape.
        y: class indices `(rows,)`, integer, or `(rows, places)` where each place of a row has one; or values
            `(rows, outputs)`, float.
        targets: which of the two.
        classes: the labels that the indices stand for.
        source: where the rows came from.
        shape: of one row's features, where they are more than a list of numbers: `(channels, height, width)`.
        symbols: how many different symbols the features are, if they are; else 0.
    """

    x: np.ndarray
    y: np.ndarray
    targets: Targets
    classes: tuple[str, ...] = ()
    source: str = ""
    shape: tuple[int, ...] = ()
    symbols: int = 0

    @property
    def inputs(self) -> Inputs:
        """What the features of one row are, before they are scaled."""
        return Inputs(self.shape or (self.x.shape[1],), self.symbols)

    @property
    def outputs(self) -> int:
        """Classes, or values a row."""
        return len(self.classes) if self.targets == "classes" else int(self.y.shape[1])

    @property
    def places(self) -> int:
        """Places of a row that have a class each; 0 where the row as a whole has one, or values."""
        return int(self.y.shape[1]) if self.targets == "classes" and self.y.ndim == 2 else 0


class Dataset(Plugin):
    """Where the rows come from.

    Attributes:
        scale: how features are scaled unless the experiment says otherwise; symbols never are.
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "standard"

    @abstractmethod
    def load(self) -> Table:
        """Return all rows, unsplit and unscaled.

        Raises:
            DataError: a source that is missing, empty, ragged or not finite.
        """
