"""D-Adaptation: AdamW that finds its own learning rate, by what its gradients have in common."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class DAdaptation(Rule):
    """AdamW whose step is multiplied by d, an estimate from below of the distance from the start to a solution.

        b = sqrt(beta2),    size_t = sqrt(v_t) + eps
        r_t = b * r_(t-1) + (1 - b) * d_t * rate_t * <g_t, s_(t-1) / size_(t-1)>
        s_t = b * s_(t-1) + (1 - b) * d_t * rate_t * g_t
        d_(t+1) = max(d_t, r_t / ((1 - b) * |s_t|_1)),    d_1 = d0
        m_t = beta1 * m_(t-1) + (1 - beta1) * d_t * rate_t * g_t
        v_t = beta2 * v_(t-1) + (1 - beta2) * g_t^2
        theta_t = (1 - d_t * rate_t * weight_decay) * theta_(t-1) - m_t / size_t

    where the product and |s|_1, a sum of absolute values, run over all parameters of a member, and rate_t is lr_t, or
    with `bias_correction` lr_t * sqrt(1 - beta2^t) / (1 - beta1^t). Unlike in `Prodigy`, no gradient weighs more for a
    larger d, so that d grows more slowly. This is the method's variant for Adam, the `DAdaptAdam` of its authors and of
    pytorch_optimizer with decoupled decay; optax's `dadapt_adamw` always corrects the bias. d and r are slots of one
    number.

    Attributes:
        lr: what a schedule multiplies; leave it at 1, the length of a step is d.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps.
        beta2: the same for the squares; its root is that for r and s.
        eps: keeps the division finite, in gradient.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate, d included.
        d0: the first estimate; it must be below the distance.
        bias_correction: whether the first steps are corrected as those of `Adam`.

    >>> DAdaptation.sees
    'whole'

    Reference: Defazio & Mishchenko, Learning-Rate-Free Learning by D-Adaptation, ICML 2023, arXiv:2301.07733. Range of
    the decay: as in `Prodigy`.
    """

    lr: PositiveFloat = 1.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: PositiveFloat = 1e-8
    weight_decay: Annotated[NonNegativeFloat, Float(3e-3, 0.3, log=True)] = 0.01
    d0: PositiveFloat = 1e-6
    bias_correction: bool = False
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "s", "d", "r")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "whole"

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of the vectors, and one number each for d and r."""
        return dict.fromkeys(("m", "v", "s"), shape) | {"d": (1,), "r": (1,)}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the fields, with the rate corrected if it is to be, and the root of beta2."""
        correction = np.sqrt(1 - hyper.beta2**step) / (1 - hyper.beta1**step) if self.bias_correction else 1.0
        beta3 = np.sqrt(hyper.beta2)
        return dict(super().scalars(hyper, step)) | {"rate": hyper.lr * correction, "beta3": beta3, "fresh": 1 - beta3}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, v, s, r = slots["m"], slots["v"], slots["s"], slots["r"]
        d = xp.maximum(slots["d"], k.d0)  # (P, 1): zero until there is an estimate
        step = d * k.rate
        xp.sqrt(v, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        xp.divide(s, scratch, out=scratch)
        xp.multiply(scratch, grad, out=scratch)
        r[...] = k.beta3 * r + k.fresh * step * scratch.sum(1)[:, None]
        xp.multiply(s, k.beta3, out=s)
        xp.multiply(grad, k.fresh * step, out=scratch)
        xp.add(s, scratch, out=s)
        length = k.fresh * xp.abs(s, out=scratch).sum(1)[:, None]
        slots["d"][...] = xp.maximum(d, r / xp.where(length > 0, length, math.inf))
        xp.multiply(m, k.beta1, out=m)
        xp.multiply(grad, (1 - k.beta1) * step, out=scratch)
        xp.add(m, scratch, out=m)
        xp.multiply(v, k.beta2, out=v)
        xp.square(grad, out=grad)
        xp.multiply(grad, 1 - k.beta2, out=grad)
        xp.add(v, grad, out=v)
        xp.sqrt(v, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        xp.divide(m, scratch, out=scratch)
        xp.multiply(theta, 1 - step * k.weight_decay, out=theta)
        xp.subtract(theta, scratch, out=theta)
