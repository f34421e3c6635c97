"""Sophia: momentum divided by an estimate of the Hessian's diagonal, and clipped."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tunelab.contracts import Array, Hyper, Rule, Step
from tunelab.optimizers.norms import norm
from tunelab.space import Float


class Sophia(Rule):
    """A step along the mean gradient, divided by the curvature and no longer than lr in any parameter.

        m_t = beta1 * m_(t-1) + (1 - beta1) * g_t
        every `every` steps, from the first:  h <- beta2 * h + (1 - beta2) * u * (H u),    u ~ N(0, 1)
        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - lr_t * clip(m_t / max(gamma * h, eps), -1, 1)

    Hutchinson's estimate (Sophia-H): H is the Hessian of the loss on the step's own rows. The product H u is taken by a
    central difference of two more gradients, at theta + r u and theta - r u with r |u| = max(1, |theta|) times the cube
    root of the dtype's rounding error, same rows, same dropout noise; the paper's is exact. A network of ReLUs has no
    curvature but at its kinks: choose a smooth activation. pytorch_optimizer's `SophiaH` clips at a
    field `p` and has no gamma (0.01 in its eps); optax's `contrib.sophia` is the paper's.

    Attributes:
        lr: learning rate, in parameter: the longest step.
        beta1: the part of the mean that is kept; searched as 1 - beta1 on a log axis.
        beta2: the part of the curvature that is kept at each estimate.
        gamma: the larger, the fewer parameters are clipped; the paper wants 10 to 50 % of them not to be.
        eps: keeps the division finite, in gradient per parameter.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.
        every: steps between two estimates; the paper's k.

    >>> Sophia().slots
    ('m', 'h', 'u', 'start', 'first')

    Reference: Liu, Li, Hall, Liang & Ma, Sophia: A Scalable Stochastic Second-order Optimizer for Language Model
    Pre-training, ICLR 2024, arXiv:2305.14342. Ranges: ours, around the paper's values.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.001
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.85, 0.99, complement_log=True)] = 0.96
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    gamma: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.01
    eps: PositiveFloat = 1e-12
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.1
    every: PositiveInt = 10
    slots: ClassVar[tuple[str, ...]] = ("m", "h", "u", "start", "first")
    second_gradient: ClassVar[bool] = True

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the fields, the part of the parameters that stays, and whether the curvature is estimated."""
        return dict(super().scalars(hyper, step)) | {
            "keep": 1 - hyper.lr * hyper.weight_decay,
            "fresh": 1 - hyper.beta1,
            "fresh2": 1 - hyper.beta2,
            "due": np.equal((step - 1) % self.every, 0),
        }

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Estimate the curvature where it is due, then take the step."""
        if (k.due > 0).any():
            self._estimate(step, xp, theta, grad, slots, k, scratch)
        step.inner()

    def _estimate(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        u, start, first, h = slots["u"], slots["start"], slots["first"], slots["h"]
        start[...] = theta
        first[...] = grad
        step.normal(u)
        length = norm(xp, u, scratch)
        radius = float(xp.finfo(theta.dtype).eps) ** (1 / 3) * xp.clip(norm(xp, theta, scratch), 1.0, None) / length
        xp.add(theta, radius * u, out=theta)
        step.gradient()
        ahead = grad * (0.5 / radius)
        xp.subtract(start, radius * u, out=theta)
        step.gradient()
        curvature = u * (ahead - grad * (0.5 / radius))
        h[...] = xp.where(k.due > 0, k.beta2 * h + k.fresh2 * curvature, h)
        theta[...] = start
        grad[...] = first

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m = slots["m"]
        xp.multiply(m, k.beta1, out=m)
        xp.multiply(grad, k.fresh, out=grad)
        xp.add(m, grad, out=m)
        xp.multiply(slots["h"], k.gamma, out=scratch)
        xp.maximum(scratch, k.eps, out=scratch)
        xp.divide(m, scratch, out=scratch)
        xp.clip(scratch, -1.0, 1.0, out=scratch)
        xp.multiply(scratch, k.lr, out=scratch)
        xp.multiply(theta, k.keep, out=theta)
        xp.subtract(theta, scratch, out=theta)
