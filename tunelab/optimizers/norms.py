"""Lengths of tensors, each member's its own: a norm across members would let one of them steer the others."""

from typing import Any

from tunelab.contracts import Array


def norm(xp: Any, values: Array, scratch: Array) -> Array:
    """Return the length of each member's tensor `(P, *shape)`, with as many axes: `(P, 1, ...)`.

    >>> import numpy as np
    >>> norm(np, np.array([[3.0, 4.0], [0.0, 2.0]]), np.empty((2, 2))).tolist()
    [[5.0], [2.0]]
    """
    squares = xp.square(values, out=scratch).reshape(len(values), -1)
    return xp.sqrt(squares.sum(1)).reshape(len(values), *[1] * (values.ndim - 1))


def trust_ratio(xp: Any, theta: Array, update: Array, scratch: Array, trust: Array | float = 1.0) -> Array:
    """Return trust * |theta| / |update| of each member's tensor, `(P, 1, ...)`; 1 where either length is zero.

    >>> import numpy as np
    >>> trust_ratio(np, np.array([[6.0], [0.0]]), np.array([[2.0], [2.0]]), np.empty((2, 1))).tolist()
    [[3.0], [1.0]]
    """
    long, step = norm(xp, theta, scratch), norm(xp, update, scratch)
    known = (long > 0) & (step > 0)
    return xp.where(known, trust * long, 1.0) / xp.where(known, step, 1.0)
