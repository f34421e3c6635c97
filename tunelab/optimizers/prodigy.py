"""Prodigy: AdamW that finds its own learning rate, by how far it has come."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class Prodigy(Rule):
    """AdamW whose step is multiplied by d, an estimate from below of the distance from the start to a solution.

        r_t = sqrt(beta2) * r_(t-1) + (d_t / d0) * rate_t * d_t * <g_t, theta_0 - theta_(t-1)>
        s_t = sqrt(beta2) * s_(t-1) + (d_t / d0) * rate_t * d_t * g_t
        d_(t+1) = max(d_t, d_coef * r_t / |s_t|_1),    d_1 = d0
        m_t = beta1 * m_(t-1) + (1 - beta1) * d_t * g_t
        v_t = beta2 * v_(t-1) + (1 - beta2) * d_t^2 * g_t^2
        theta_t = (1 - d_t * rate_t * weight_decay) * theta_(t-1) - d_t * rate_t * m_t / (sqrt(v_t) + d_(t+1) * eps)

    where the product and |s|_1, a sum of absolute values, run over all parameters of a member, and rate_t is lr_t, or
    with `bias_correction` lr_t * sqrt(1 - beta2^t) / (1 - beta1^t). This is the authors' prodigyopt with `decouple`
    (which at beta1 = 0 multiplies g_t by d_(t+1)); optax's `prodigy` always corrects the bias. d and r are slots of one
    number. In float32, theta_0 - theta has few digits while d is small: the estimate is good to some percent.

    Attributes:
        lr: what a schedule multiplies; leave it at 1, the length of a step is d.
        d_coef: multiplies the estimate; the field to search.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps.
        beta2: the same for the squares; its root is that for r and s.
        eps: keeps the division finite, in gradient.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate, d included.
        d0: the first estimate; it must be below the distance.
        bias_correction: whether the first steps are corrected as those of `Adam`.

    >>> Prodigy.search(weight_decay=0.01)
    Prodigy.search(d_coef=Float(0.5, 2.0, log=True), weight_decay=0.01)

    Reference: Mishchenko & Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner, ICML 2024,
    arXiv:2306.06101. Ranges: of d_coef, the authors' README (konstmish/prodigy); of the decay, AlgoPerf's baselines
    (arXiv:2306.07179).
    """

    lr: PositiveFloat = 1.0
    d_coef: Annotated[PositiveFloat, Float(0.5, 2.0, log=True)] = 1.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: PositiveFloat = 1e-8
    weight_decay: Annotated[NonNegativeFloat, Float(3e-3, 0.3, log=True)] = 0.01
    d0: PositiveFloat = 1e-6
    bias_correction: bool = False
    slots: ClassVar[tuple[str, ...]] = ("start", "m", "v", "s", "d", "r")
    copies: ClassVar[tuple[str, ...]] = ("start",)
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "whole"

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of the vectors, and one number each for d and r."""
        return dict.fromkeys(("start", "m", "v", "s"), shape) | {"d": (1,), "r": (1,)}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the fields, with the rate corrected if it is to be, and the root of beta2."""
        correction = np.sqrt(1 - hyper.beta2**step) / (1 - hyper.beta1**step) if self.bias_correction else 1.0
        return dict(super().scalars(hyper, step)) | {"rate": hyper.lr * correction, "beta3": np.sqrt(hyper.beta2)}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, v = slots["m"], slots["v"]
        d = xp.maximum(slots["d"], k.d0)  # (P, 1): zero until there is an estimate
        step = d * k.rate
        ahead = self._estimate(xp, theta, grad, slots, k, d, scratch)
        xp.multiply(grad, d, out=grad)
        xp.multiply(m, k.beta1, out=m)
        xp.multiply(grad, 1 - k.beta1, out=scratch)
        xp.add(m, scratch, out=m)
        xp.multiply(v, k.beta2, out=v)
        xp.square(grad, out=grad)
        xp.multiply(grad, 1 - k.beta2, out=grad)
        xp.add(v, grad, out=v)
        xp.sqrt(v, out=scratch)
        xp.add(scratch, ahead * k.eps, out=scratch)
        xp.divide(m, scratch, out=scratch)
        xp.multiply(scratch, step, out=scratch)
        xp.multiply(theta, 1 - step * k.weight_decay, out=theta)
        xp.subtract(theta, scratch, out=theta)

    def _estimate(
        self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, d: Array, scratch: Array
    ) -> Array:
        """Take the gradient into r and s; return the new d, `(P, 1)`."""
        r, s = slots["r"], slots["s"]
        weight = d / k.d0 * (d * k.rate)
        xp.subtract(slots["start"], theta, out=scratch)
        xp.multiply(scratch, grad, out=scratch)
        r[...] = k.beta3 * r + weight * scratch.sum(1)[:, None]
        xp.multiply(s, k.beta3, out=s)
        xp.multiply(grad, weight, out=scratch)
        xp.add(s, scratch, out=s)
        length = xp.abs(s, out=scratch).sum(1)[:, None]
        slots["d"][...] = xp.maximum(d, k.d_coef * r / xp.where(length > 0, length, math.inf))
        return slots["d"]
