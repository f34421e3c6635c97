"""Handwritten digits."""

from typing import ClassVar, Literal

import numpy as np

from tunelab.contracts import Dataset, Table
from tunelab.data.sklearn_table import sklearn_numbers


class Digits(Dataset):
    """Handwritten digits: 1,797 images of 8 x 8 pixels, 10 classes of 174 to 183 rows each.

    x is `(1797, 64)` in [0, 1], each row an image of one channel: sklearn's `load_digits().data` (0 to 16) divided by
    16, which is exact. y is the digit.
    The 13 writers of these images are not told apart, so one writer's digits fall into several parts.

    Source: UCI, Optical Recognition of Handwritten Digits, its test set; E. Alpaydin and C. Kaynak, 1998. Read from
    scikit-learn, whose description states no licence for the data.

    Raises:
        DataError: on loading, scikit-learn is not installed.

    >>> table = Digits().load()
    >>> table.x.shape, table.shape, table.x.max(), table.outputs
    ((1797, 64), (1, 8, 8), np.float64(1.0), 10)
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "none"

    def load(self) -> Table:
        """Return the 1,797 rows."""
        numbers = sklearn_numbers("digits.csv.gz")
        labels = tuple(str(digit) for digit in range(10))
        x, y = numbers[:, :-1] / 16, numbers[:, -1].astype(np.int64)
        return Table(x, y, "classes", labels, "sklearn load_digits", shape=(1, 8, 8))
