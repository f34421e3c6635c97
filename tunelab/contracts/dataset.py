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
    """

    shape: tuple[int, ...]
    symbols: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """A data set in memory: rows of features and what to predict of each.

    Attributes:
        x: features `(rows, features)`, float, flat whatever their shape.
        y: class indices `(rows,)`, integer, or `(rows, length)` where each place of a row has one; or values
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
        """What the features of one row are."""
        return Inputs(self.shape or (self.x.shape[1],), self.symbols)

    @property
    def outputs(self) -> int:
        """Classes, or values a row."""
        return len(self.classes) if self.targets == "classes" else int(self.y.shape[1])


class Dataset(Plugin):
    """Where the rows come from.

    Attributes:
        scale: how features are scaled unless the experiment says otherwise.
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "standard"

    @abstractmethod
    def load(self) -> Table:
        """Return all rows, unsplit and unscaled.

        Raises:
            DataError: a source that is missing, empty, ragged or not finite.
        """
