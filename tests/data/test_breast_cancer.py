import numpy as np
from sklearn.datasets import load_breast_cancer

from tunelab.data import BreastCancer


def test_equals_sklearn():
    table, known = BreastCancer().load(), load_breast_cancer()
    np.testing.assert_array_equal(table.x, known.data)
    np.testing.assert_array_equal(table.y, known.target)
    assert table.classes == tuple(known.target_names)
    assert (table.x.dtype, table.y.dtype, table.targets) == (np.float64, np.int64, "classes")
    assert BreastCancer.scale == "standard"
