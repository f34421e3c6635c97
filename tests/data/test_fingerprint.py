import hashlib
import struct

import numpy as np
import pytest

from tunelab.contracts import Table
from tunelab.data import fingerprint

X = np.arange(6, dtype=np.float64).reshape(2, 3)
Y = np.array([0, 1])


def of(x, y=Y):
    return fingerprint(Table(x, y, "classes", ("a", "b")))


def test_is_the_hash_of_dtype_shape_and_bytes():
    """Studies are told apart by it: it must not change between versions or machines."""
    content = b"<f8 (2, 3);" + struct.pack("<6d", 0, 1, 2, 3, 4, 5) + b"<i8 (2,);" + struct.pack("<2q", 0, 1)
    assert of(X) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "same",
    [np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, axis=1)[:, ::2], X.astype(">f8")],
    ids=["column-major", "reversed twice", "strided", "big-endian"],
)
def test_does_not_depend_on_layout(same):
    assert of(same) == of(X)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.astype(np.float32), Y),
        (X.reshape(3, 2), Y),
        (X.T.copy(), Y),
        (np.where(X == 5, np.nextafter(5, 6), X), Y),
        (X, Y[::-1]),
        (X, Y.astype(np.int32)),
    ],
    ids=["dtype", "shape", "order", "one bit", "targets", "targets' dtype"],
)
def test_depends_on_content(x, y):
    assert of(x, y) != of(X)


def test_what_a_row_is_counts_where_it_is_more_than_a_list_of_numbers():
    x, y = np.zeros((2, 12)), np.zeros((2, 1))
    rows = [
        {},
        {"shape": (1, 3, 4)},
        {"shape": (3, 2, 2)},
        {"symbols": 1},
        {"symbols": 2},
        {"symbols": 1, "shape": (3, 4)},
    ]
    assert len({fingerprint(Table(x, y, "values", **row)) for row in rows}) == len(rows)


def test_bytes_that_move_from_x_to_y_change_it():
    a, b = np.zeros((2, 2)), np.zeros((2, 1))
    assert fingerprint(Table(a, b, "values")) != fingerprint(Table(b, a, "values"))
