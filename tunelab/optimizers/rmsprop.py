"""RMSprop: each parameter's step is divided by the recent size of its gradient."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class RMSprop(Rule):
    """A step against the gradient, divided by the root of a moving average of its square.

        v_t = rho * v_(t-1) + (1 - rho) * g_t^2,    v_0 = 0
        theta_t = theta_(t-1) - lr_t * g_t / (sqrt(v_t) + eps)

    PyTorch's `RMSprop`, where rho is called `alpha`, without momentum and not centred. optax and TensorFlow default to
    rho = 0.9 and have eps under the root; TensorFlow 1 starts at v_0 = 1. Nothing corrects for v_0 = 0, so the first
    steps are up to 1 / sqrt(1 - rho) times longer than lr.

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        rho: the part of the average that is kept; squares are remembered for about 1 / (1 - rho) steps, so it is
            searched as 1 - rho on a log axis.
        eps: keeps the division finite, in gradient; a large one turns the rule into `SGD` at lr / eps.

    >>> RMSprop(lr=1e-3).rho
    0.99

    Reference: Tieleman & Hinton, Lecture 6.5: rmsprop, COURSERA: Neural Networks for Machine Learning, 2012.
    """

    lr: Annotated[PositiveFloat, Float(1e-5, 1e-1, log=True)] = 0.01
    rho: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.999, complement_log=True)] = 0.99
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("v",)

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return what the rule needs to keep v / (1 - rho), a plain discounted sum, one pass over memory fewer."""
        root = np.sqrt(1 - hyper.rho)
        return {"rho": hyper.rho, "rate": hyper.lr / root, "eps": hyper.eps / root}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        v = slots["v"]
        xp.multiply(v, k.rho, out=v)
        xp.square(grad, out=scratch)
        xp.add(v, scratch, out=v)
        xp.sqrt(v, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        xp.divide(grad, scratch, out=grad)
        xp.multiply(grad, k.rate, out=grad)
        xp.subtract(theta, grad, out=theta)
