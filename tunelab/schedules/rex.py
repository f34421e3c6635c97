"""The learning rate falls slowly, and fast at the end."""

import numpy as np

from tunelab.contracts import Array, Hyper, Schedule


class REX(Schedule):
    """Reflected exponential: above a straight line throughout, and steepest at the end.

        factor(t) = (1 - p) / (1 - p / 2),    p = t / total

    1 at the first step, 2 / (total + 1) at the last; 0 would be reached one step later, and kept. PyTorch and optax
    have none. The paper writes the denominator as 1/2 + (1 - p) / 2, which is the same.

    >>> REX().factor(Hyper(), np.arange(4).reshape(4, 1, 1), np.array([[4]])).ravel().round(4).tolist()
    [1.0, 0.8571, 0.6667, 0.4]

    Reference: Chen, Wolfe & Kyrillidis, REX: Revisiting Budgeted Training with an Improved Schedule, MLSys 2022,
    arXiv:2107.04197.
    """

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return (1 - p) / (1 - p / 2)."""
        part = np.minimum(np.divide(step, total), 1.0)
        return (1 - part) / (1 - part / 2)
