"""The learning rate stands still."""

import numpy as np

from tunelab.contracts import Array, Hyper, Schedule


class Constant(Schedule):
    """The same learning rate throughout.

        factor(t) = 1

    1 at the first step, 1 at the last. PyTorch's `ConstantLR(factor=1)`, optax's `constant_schedule`.

    >>> Constant().factor(Hyper(), np.arange(3).reshape(3, 1, 1), np.array([[3]])).ravel().tolist()
    [1.0, 1.0, 1.0]
    """

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return 1 for every step."""
        return np.ones_like(step / total)
