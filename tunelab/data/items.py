"""Data whose items are read anew whenever they are needed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunelab.contracts import Inputs, Targets
from tunelab.data.split import Split

if TYPE_CHECKING:
    from tunelab.data.pytorch.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Three parts of a PyTorch data set, which a population reads batch by batch.

    Attributes:
        train, validation, test: what reads each part; there may be no test.
        inputs: what x of one item is.
        targets: classes, where y is a whole number or a list of them; else values.
        outputs: classes, or values an item; 0 where that is not known.
        places: places of an item that have a class each; 0 where the item as a whole has one, or values.
        x_type: the type of x.
        as_given: whether y goes to the loss as it is: to a person's own.
        notes: what a person should know of these items.
    """

    train: "Source"
    validation: "Source"
    test: "Source | None"
    inputs: Inputs
    targets: Targets
    outputs: int
    places: int
    x_type: str
    as_given: bool
    notes: tuple[str, ...] = ()

    @property
    def at_least(self) -> bool:
        """Whether there may be more classes than `outputs`."""
        return self.targets == "classes"

    @property
    def ragged(self) -> bool:
        """Whether x of one batch may have another shape than that of the next, of as many items."""
        return self.train.may_be_ragged

    @property
    def has_test(self) -> bool:
        """Whether there are items to test on."""
        return self.test is not None

    @property
    def rows(self) -> dict[str, int]:
        """Items in each part, where they can be counted."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        counts = {name: 0 if source is None else source.count for name, source in parts.items()}
        return {name: count for name, count in counts.items() if count is not None}


Parts = Split | Items
"""What a study trains on."""
