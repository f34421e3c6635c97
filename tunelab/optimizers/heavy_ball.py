"""Momentum as Polyak wrote it: the learning rate inside the memory."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class HeavyBall(Rule):
    """A step against the gradient, plus a part of the last displacement.

        theta_t = theta_(t-1) - lr_t * g_t + momentum * (theta_(t-1) - theta_(t-2)),    theta_(-1) = theta_0

    Every gradient keeps the learning rate of its own step. PyTorch, optax and `Momentum` here remember plain gradients
    and give all of them today's learning rate. The two are one rule while the learning rate stands still and part as
    soon as it moves: after a drop, this one coasts on at its old speed and slows within some 1 / (1 - momentum) steps,
    `Momentum` slows at once. To follow `Momentum` exactly, this rule would need momentum * lr_t / lr_(t-1).

    Attributes:
        lr: learning rate, in parameter per gradient.
        momentum: the part of the last displacement that is kept; gradients are remembered for about
            1 / (1 - momentum) steps, so it is searched as 1 - momentum on a log axis.

    >>> HeavyBall.search(lr=0.1)
    HeavyBall.search(lr=0.1, momentum=Float(0.7, 0.995, complement_log=True))

    Reference: Polyak, Some methods of speeding up the convergence of iteration methods, USSR Computational Mathematics
    and Mathematical Physics 4(5), 1964. TensorFlow 1 and Sutskever et al. (2013) have this form too.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.995, complement_log=True)] = 0.9
    slots: ClassVar[tuple[str, ...]] = ("displacement",)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        displacement = slots["displacement"]
        xp.multiply(displacement, k.momentum, out=displacement)
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(displacement, grad, out=displacement)
        xp.add(theta, displacement, out=theta)
