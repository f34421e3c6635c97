"""LARS: momentum whose steps are measured by the length of the tensor that they change."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.norms import trust_ratio
from tunelab.space import Float


class LARS(Rule):
    """Momentum on gradients that each tensor scales to a fixed part of its own length.

        u_t = g_t + weight_decay * theta_(t-1)
        r_t = trust * |theta_(t-1)| / |u_t|,    r_t = 1 where either length is zero
        b_t = momentum * b_(t-1) + lr_t * r_t * u_t
        theta_t = theta_(t-1) - b_t

    with the lengths of one tensor of one member (a layer's weight, a layer's bias). The learning rate stands inside the
    memory, as in `HeavyBall`: a remembered step keeps the rate of its own day. This is optax's `lars`. The paper has
    |g| + weight_decay * |theta| below the line, which never is smaller. pytorch_optimizer's `LARS` keeps the rate
    outside the memory (1e-2 away). What starts at zero, as biases do, begins with the plain step lr_1 * u_1.

    Attributes:
        lr: learning rate, in parts of a tensor's length per `trust`: a step without memory is lr * trust as long as
            the tensor.
        momentum: the part of the last step that is kept; searched as 1 - momentum on a log axis.
        trust: the part of its length that a tensor moves at a learning rate of one (eta in the paper).
        weight_decay: how much of the parameters is added to the gradient before it is measured.

    >>> LARS.search(momentum=0.9)
    LARS.search(lr=Float(0.01, 10.0, log=True), momentum=0.9)

    Reference: You, Gitman & Ginsburg, Large Batch Training of Convolutional Networks, 2017, arXiv:1708.03888. Range of
    lr: tunelab's own; of momentum: as in `Momentum`.
    """

    lr: Annotated[PositiveFloat, Float(1e-2, 10.0, log=True)] = 1.0
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.995, complement_log=True)] = 0.9
    trust: PositiveFloat = 0.001
    weight_decay: NonNegativeFloat = 0.0
    slots: ClassVar[tuple[str, ...]] = ("step",)
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        step = slots["step"]
        xp.multiply(theta, k.weight_decay, out=scratch)
        xp.add(grad, scratch, out=grad)
        ratio = trust_ratio(xp, theta, grad, scratch, k.trust)
        xp.multiply(grad, k.lr * ratio, out=grad)
        xp.multiply(step, k.momentum, out=step)
        xp.add(step, grad, out=step)
        xp.subtract(theta, step, out=theta)
