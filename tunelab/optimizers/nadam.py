"""NAdam: Adam that looks one decay ahead."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float

NEGLIGIBLE = 2.0**-54
"""A product of mu that leaves 1 - product at 1, in float64."""

AT_ONCE = 128
"""Factors that are multiplied before the product is looked at."""


class NAdam(Rule):
    """Adam with Nesterov's momentum, which warms up.

        mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2),    pi_t = mu_1 * ... * mu_t
        m_t = beta1 * m_(t-1) + (1 - beta1) * g_t,    v_hat of `Adam`
        theta_t = theta_(t-1) - lr_t * ((1 - mu_t) / (1 - pi_t) * g_t + mu_(t+1) / (1 - pi_(t+1)) * m_t)
                                     / (sqrt(v_hat) + eps)

    PyTorch's `NAdam`, but for its product pi, which it keeps in torch's default dtype: in float32 that alone is some
    1e-8 away. The paper's m decays by mu_t too, PyTorch's by beta1. optax's `nadam` knows no mu: it takes
    beta1 * m_t / (1 - beta1^(t+1)) + (1 - beta1) * g_t / (1 - beta1^t), about 3e-2 away (relative).

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps, and what mu ends at; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares.
        eps: keeps the division finite, in gradient.
        momentum_decay: how fast mu rises from beta1 / 2 to beta1: half of the way takes 17 / momentum_decay steps,
            4,245 by default.

    >>> NAdam().momentum_decay
    0.004

    Reference: Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop, as changed by PyTorch. The ranges
    are Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.002
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    momentum_decay: NonNegativeFloat = 0.004
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the betas, eps, and the rates of gradient and mean, with all corrections folded in."""
        return nadam_scalars(hyper, step)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        nadam_step(xp, theta, grad, slots["m"], slots["v"], k, scratch)


def nadam_scalars(hyper: Hyper, step: Array) -> dict[str, Array]:
    """Return the `k` of `nadam_step`, for m and v that are plain discounted sums, as those of `adam_step`."""
    root = np.sqrt((1 - hyper.beta2**step) / (1 - hyper.beta2))
    mu, mu_next = (_mu(hyper.beta1, hyper.momentum_decay, t) for t in (step, step + 1))
    product = _product_of_mu(hyper.beta1, hyper.momentum_decay, step)
    return {
        "beta1": hyper.beta1,
        "beta2": hyper.beta2,
        "eps": hyper.eps * root,
        "rate": hyper.lr * root * (1 - mu) / (1 - product),
        "rate_ahead": hyper.lr * root * (1 - hyper.beta1) * mu_next / (1 - product * mu_next),
    }


def _mu(beta1: Array, momentum_decay: Array, step: Array) -> Array:
    return beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))


def _product_of_mu(beta1: Array, momentum_decay: Array, step: Array) -> Array:
    """Return mu_1 * ... * mu_t, multiplied in this order whatever steps are asked for.

    It starts at step 1 for every plan and ends where the product leaves 1 - product at 1, so that the price does not
    grow with the length of training: for 16 members and 256 steps 0.06 ms by default and 1 ms at beta1 = 0.996 and
    momentum_decay = 0.5, when these steps themselves take some 50 ms at 9,000 parameters a member.
    """
    last, products = int(np.max(step)), np.ones((1, *beta1.shape))  # (t + 1, P, 1)
    while len(products) <= last and products[-1].max() > NEGLIGIBLE:
        mu = _mu(beta1, momentum_decay, np.arange(len(products), len(products) + AT_ONCE).reshape(-1, 1, 1))
        more = np.cumprod(np.concatenate([products[-1:], mu]), axis=0)[1:]
        products = np.concatenate([products, more])
    return np.take_along_axis(products, np.minimum(step, len(products) - 1).astype(np.intp), axis=0)


def nadam_step(xp: Any, theta: Array, grad: Array, m: Array, v: Array, k: Hyper, scratch: Array) -> None:
    """Take one step in place: theta -= (rate * grad + rate_ahead * m) / (sqrt(v) + eps)."""
    xp.multiply(m, k.beta1, out=m)
    xp.add(m, grad, out=m)
    xp.multiply(v, k.beta2, out=v)
    xp.square(grad, out=scratch)
    xp.add(v, scratch, out=v)
    xp.multiply(grad, k.rate, out=grad)
    xp.multiply(m, k.rate_ahead, out=scratch)
    xp.add(grad, scratch, out=grad)
    xp.sqrt(v, out=scratch)
    xp.add(scratch, k.eps, out=scratch)
    xp.divide(grad, scratch, out=grad)
    xp.subtract(theta, grad, out=theta)
