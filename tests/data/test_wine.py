import numpy as np
from sklearn.datasets import load_wine

from tunelab.data import Wine


def test_equals_sklearn():
    table, known = Wine().load(), load_wine()
    np.testing.assert_array_equal(table.x, known.data)
    np.testing.assert_array_equal(table.y, known.target)
    assert table.classes == tuple(known.target_names)
    assert (table.x.dtype, table.y.dtype, table.targets) == (np.float64, np.int64, "classes")
    assert Wine.scale == "standard"
