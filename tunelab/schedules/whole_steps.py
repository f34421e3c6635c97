"""A part of a training in whole steps."""

import numpy as np

from tunelab.contracts import Array


def whole_steps(part: Array, total: Array) -> Array:
    """Return `part * total` rounded up, except where it is above a whole number by a rounding error alone.

    Rounded up, because a boundary that is rounded down would come one step early, and one more in the very last steps.

    >>> [float(whole_steps(part, 100)) for part in (0.07, 1 / 3)], [0.07 * 100, 1 / 3 * 100]
    ([7.0, 34.0], [7.000000000000001, 33.33333333333333])
    """
    return np.ceil(part * total * (1 - 1e-12))
