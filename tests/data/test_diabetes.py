import numpy as np
from sklearn.datasets import load_diabetes

from tunelab.data import Diabetes


def test_equals_sklearn_unscaled():
    table, known = Diabetes().load(), load_diabetes(scaled=False)
    np.testing.assert_array_equal(table.x, known.data)
    np.testing.assert_array_equal(table.y, known.target[:, None])
    assert (table.x.dtype, table.y.dtype, table.targets) == (np.float64, np.float64, "values")
    assert (table.classes, table.outputs, Diabetes.scale) == ((), 1, "standard")
