"""Stochastic gradient descent."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class SGD(Rule):
    """A step against the gradient of a batch.

        theta_t = theta_(t-1) - lr_t * g_t

    The same in PyTorch (`SGD`, whose other options are `Momentum` and `Nesterov` here) and optax (`sgd`).

    Attributes:
        lr: learning rate, in parameter per gradient.

    >>> import numpy as np
    >>> theta, grad = np.array([[1.0], [1.0]]), np.array([[2.0], [2.0]])
    >>> SGD().update(np, theta, grad, {}, Hyper(lr=np.array([[0.1], [0.25]])), np.empty_like(theta))
    >>> theta.tolist()
    [[0.8], [0.5]]

    Reference: Robbins & Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22, 1951.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 3.0, log=True)] = 0.01

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
