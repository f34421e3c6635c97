import numpy as np
from sklearn.datasets import load_digits

from tunelab.data import Digits


def test_equals_sklearn_divided_by_16():
    table, known = Digits().load(), load_digits()
    np.testing.assert_array_equal(table.x * 16, known.data)
    np.testing.assert_array_equal(table.y, known.target)
    assert table.classes == tuple(map(str, known.target_names))
    assert (table.x.dtype, table.y.dtype, table.targets) == (np.float64, np.int64, "classes")


def test_a_row_is_an_image():
    table = Digits().load()
    assert table.inputs.shape == (1, 8, 8)
    np.testing.assert_array_equal(table.x.reshape(-1, 8, 8) * 16, load_digits().images)


def test_is_not_scaled_further():
    assert Digits.scale == "none"
    assert (Digits().load().x.min(), Digits().load().x.max()) == (0, 1)
