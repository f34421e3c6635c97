"""Nesterov's momentum as PyTorch has it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class Nesterov(Rule):
    """A step against the discounted sum of gradients as it will be after one more decay.

        b_t = momentum * b_(t-1) + g_t,    b_0 = 0
        theta_t = theta_(t-1) - lr_t * (g_t + momentum * b_t)

    PyTorch's `SGD(nesterov=True)` and optax's `sgd(nesterov=True)`. In Nesterov's and Sutskever's form the gradient is
    taken at a point ahead of the parameters and the learning rate stands inside the memory; theta here is that point
    ahead. The two forms are one rule while the learning rate stands still and part as soon as it moves, as `Momentum`
    and `HeavyBall` do.

    Attributes:
        lr: learning rate, in parameter per gradient; a steady gradient is stepped along at lr / (1 - momentum).
        momentum: the part of the sum that is kept; gradients are remembered for about 1 / (1 - momentum) steps, so it
            is searched as 1 - momentum on a log axis.

    >>> Nesterov().momentum
    0.9

    Reference: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k^2), Soviet
    Mathematics Doklady 27, 1983; Sutskever et al., ICML 2013; rewritten for theta as the point ahead by Bengio et al.,
    arXiv:1212.0901.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.995, complement_log=True)] = 0.9
    slots: ClassVar[tuple[str, ...]] = ("decayed",)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place; what is kept is momentum * b, one pass over memory fewer than b."""
        decayed = slots["decayed"]
        xp.add(decayed, grad, out=decayed)
        xp.multiply(decayed, k.momentum, out=decayed)
        xp.add(grad, decayed, out=grad)
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
