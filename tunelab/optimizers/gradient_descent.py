"""Gradient descent on the whole training part."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class GradientDescent(Rule):
    """A step against the gradient of all rows at once.

        theta_t = theta_(t-1) - lr_t * g_t

    The rule of `SGD`, but every step sees the whole training part, whatever the experiment's batch size: an epoch is
    one step.

    Attributes:
        lr: learning rate, in parameter per gradient.

    >>> GradientDescent(lr=0.5).full_batch
    True

    Reference: Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, Comptes Rendus 25,
    1847.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 3.0, log=True)] = 0.01
    full_batch: ClassVar[bool] = True

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
