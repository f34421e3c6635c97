"""AdaGrad: each parameter slows down by the gradients that it has seen."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class AdaGrad(Rule):
    """A step against the gradient, divided by the root of the sum of its squares so far.

        s_t = s_(t-1) + g_t^2,    s_0 = 0
        theta_t = theta_(t-1) - lr_t * g_t / (sqrt(s_t) + eps)

    PyTorch's `Adagrad`, without its `lr_decay`: that is the schedule `InverseTime`. optax's `adagrad` starts at
    s_0 = 0.1 and has eps = 1e-7 under the root.

    Attributes:
        lr: learning rate, in parameter: the length of the first step of every parameter.
        eps: keeps the division finite, in gradient.

    >>> AdaGrad.search()
    AdaGrad.search(lr=Float(0.001, 1.0, log=True))

    Reference: Duchi, Hazan & Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization,
    Journal of Machine Learning Research 12, 2011 (its diagonal form).
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.01
    eps: PositiveFloat = 1e-10
    slots: ClassVar[tuple[str, ...]] = ("s",)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        s = slots["s"]
        xp.square(grad, out=scratch)
        xp.add(s, scratch, out=s)
        xp.sqrt(s, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        xp.divide(grad, scratch, out=grad)
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
