"""Lion: the sign of a mean of recent gradients."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float

SMALL = 2.0**-100
"""What is below this (8e-31), and in float32 soon set to zero, makes a step of less than full length."""


class Lion(Rule):
    """A step of one length for all parameters, against the sign of a mean that today's gradient leans on.

        theta_t = theta_(t-1) - lr_t * (sign(beta1 * m_(t-1) + (1 - beta1) * g_t) + weight_decay * theta_(t-1))
        m_t = beta2 * m_(t-1) + (1 - beta2) * g_t,    m_0 = 0

    The paper's and optax's `lion`; PyTorch has none. The sign is taken with the old m, and the mean that is kept
    reaches further back than the one that is stepped along. sign(0) = 0: what never had a gradient stays. What had one
    and has none any more goes on at full length until m has all but gone: some 7,000 steps at beta2 = 0.99.

    Attributes:
        lr: learning rate, in parameter: the length of every step. A third to a tenth of what suits `AdamW`.
        beta1: the weight of the mean against today's gradient where the sign is taken; the paper has 0.9, and 0.95
            for language.
        beta2: the part of the mean that is kept; the paper has 0.99, and 0.98 for language.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate. Three to ten times
            what suits `AdamW`, so that lr * weight_decay is the same; optax defaults to 1e-3.

    >>> Lion.search()
    Lion.search(lr=Float(1e-05, 0.003, log=True), weight_decay=Float(0.01, 3.0, log=True))

    Reference: Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023, arXiv:2302.06675. The ranges
    are AdamW's, moved as the paper advises; the betas have none.
    """

    lr: Annotated[PositiveFloat, Float(1e-5, 3e-3, log=True)] = 1e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    weight_decay: Annotated[NonNegativeFloat, Float(1e-2, 3.0, log=True)] = 0.1
    slots: ClassVar[tuple[str, ...]] = ("m",)

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return what the rule needs to keep m / (1 - beta2), a plain discounted sum: a sign knows no scale."""
        return {
            "rate": hyper.lr / SMALL,
            "keep": 1 - hyper.lr * hyper.weight_decay,
            "weight": hyper.beta1 * (1 - hyper.beta2) / (1 - hyper.beta1),
            "beta2": hyper.beta2,
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place: 1.2 ns an element in float32, where `xp.sign` alone takes 4 if signs are random."""
        m = slots["m"]
        xp.multiply(theta, k.keep, out=theta)
        xp.multiply(m, k.weight, out=scratch)
        xp.add(scratch, grad, out=scratch)
        xp.clip(scratch, -SMALL, SMALL, out=scratch)
        xp.multiply(scratch, k.rate, out=scratch)
        xp.subtract(theta, scratch, out=theta)
        xp.multiply(m, k.beta2, out=m)
        xp.add(m, grad, out=m)
