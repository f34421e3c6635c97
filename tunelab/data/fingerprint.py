"""What tells one data set from another: a hash of its content."""

import hashlib

import numpy as np

from tunelab.contracts import Table


def fingerprint(table: Table) -> str:
    """Return the SHA-256 of a table's x and y, in hexadecimal: their dtype, shape and values, whatever their layout.

    What a row is counts too, where it is more than a list of numbers: its shape, and how many symbols there are.

    >>> x, y = np.eye(2), np.array([0, 1])
    >>> fingerprint(Table(x, y, "classes", ("a", "b"))) == fingerprint(Table(x.T, y, "classes", ("c", "d")))
    True
    """
    return digest(table.x, table.y, *row(table))


def row(table: Table) -> tuple[np.ndarray, ...]:
    """Return what a row is, as an array to hash; nothing where it is a list of numbers.

    >>> row(Table(np.zeros((2, 4)), np.zeros((2, 1)), "values", shape=(1, 2, 2)))
    (array([0, 1, 2, 2]),)
    """
    return (np.array((table.symbols, *table.shape)),) if table.shape or table.symbols else ()


def digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the arrays' dtype, shape and values; none may hold Python objects."""
    sha = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        sha.update(f"{values.dtype.str} {array.shape};".encode())
        sha.update(values.tobytes())
    return sha.hexdigest()
