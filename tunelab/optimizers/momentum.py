"""Momentum as PyTorch has it: the learning rate outside the memory."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule, Sums
from tunelab.space import Float


class Momentum(Rule):
    """A step against a discounted sum of gradients.

        b_1 = g_1,    b_t = momentum * b_(t-1) + (1 - dampening) * g_t
        theta_t = theta_(t-1) - lr_t * b_t

    PyTorch's `SGD(momentum=..., dampening=...)`, whose first gradient is not dampened; optax's `sgd(momentum=...)` has
    no dampening. Polyak's original is `HeavyBall`: the two are one rule while the learning rate stands still and part
    as soon as it moves, because here all remembered gradients are given today's learning rate, there each keeps its
    own (pytorch/pytorch issue 1099).

    Attributes:
        lr: learning rate, in parameter per gradient; a steady gradient is stepped along at lr / (1 - momentum).
        momentum: the part of the sum that is kept; gradients are remembered for about 1 / (1 - momentum) steps, so it
            is searched as 1 - momentum on a log axis.
        dampening: the part of each gradient but the first that is dropped; at `dampening=momentum` the sum is an
            average, and lr means what it means to `SGD`.

    >>> Momentum(momentum=0.95).slots
    ('velocity',)

    Reference: Polyak (1964); in this form Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013, as changed by PyTorch.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.995, complement_log=True)] = 0.9
    dampening: Annotated[float, Field(ge=0, lt=1)] = 0.0
    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    sums: ClassVar[Sums] = {"velocity": ("gradient", "momentum")}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the decay and the rate of the velocity, which is kept in units of the weight of today's gradient."""
        undampened = 1 - hyper.dampening
        weight = np.where(step > 1, undampened, 1.0)
        weight_before = np.where(step > 2, undampened, 1.0)
        return {"decay": hyper.momentum * weight_before / weight, "rate": hyper.lr * weight}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        velocity = slots["velocity"]
        xp.multiply(velocity, k.decay, out=velocity)
        xp.add(velocity, grad, out=velocity)
        xp.multiply(velocity, k.rate, out=scratch)
        xp.subtract(theta, scratch, out=theta)
