"""RAdam: Adam that divides only once it knows what by."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float

TRUSTED = 5.0
"""The mean square is trusted from more than so many squares on."""


class RAdam(Rule):
    """Adam, damped by how few squares its mean square has seen, and not divided at all at the very first steps.

        rho_inf = 2 / (1 - beta2) - 1,    rho_t = rho_inf - 2 * t * beta2^t / (1 - beta2^t)
        r_t = sqrt((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t))
        v_t = beta2 * v_(t-1) + (1 - beta2) * g_t^2
        theta_t = theta_(t-1) - lr_t * m_hat * r_t * sqrt(1 - beta2^t) / (sqrt(v_t) + eps)    where rho_t > 5
        theta_t = theta_(t-1) - lr_t * m_hat                                                  elsewhere

    with the m_hat of `Adam`. PyTorch's `RAdam`: eps is added to the root before the correction, as TensorFlow does in
    Adam. optax's `radam` adds it to the corrected root, as `Adam` does, and divides from rho_t >= 5 on; the paper has
    rho_t > 4 and no eps. At the default beta2 the first five steps are `Momentum`'s: lr is then in parameter per
    gradient, and large gradients make large steps. With beta2 below 2/3 all of them are.

    Attributes:
        lr: learning rate, in parameter: about the length of a step once r has grown.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares; r grows within about 1 / (1 - beta2) steps.
        eps: keeps the division finite, in gradient.

    >>> RAdam(beta2=0.99).slots
    ('m', 'v')

    Reference: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020, arXiv:1908.03265, as
    changed by PyTorch. The ranges are Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.001
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(gt=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the betas, the rate, and the two numbers that turn a root into a divisor: 0 and 1 at first."""
        c1 = (1 - hyper.beta1**step) / (1 - hyper.beta1)
        # rho is a small difference of large numbers: with 1 - beta2**step, as PyTorch has it, the first steps that
        # divide are 3e-12 off at the default and 3e-10 at beta2 = 0.9999; so, 6e-14 and 5e-13
        complement = -np.expm1(step * np.log(hyper.beta2))
        c2 = complement / (1 - hyper.beta2)
        rho_inf = 2 / (1 - hyper.beta2) - 1
        rho = rho_inf - 2 * step * (1 - complement) / complement
        divides = rho > TRUSTED
        rho, rho_inf = np.maximum(rho, TRUSTED), np.maximum(rho_inf, TRUSTED)  # nothing to warn of where it is not used
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        return {
            "beta1": hyper.beta1,
            "beta2": hyper.beta2,
            "rate": hyper.lr / c1 * np.where(divides, r * np.sqrt(c2), 1.0),
            "divides": np.where(divides, 1.0, 0.0),
            "eps": np.where(divides, hyper.eps / np.sqrt(1 - hyper.beta2), 1.0),
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, v = slots["m"], slots["v"]
        xp.multiply(m, k.beta1, out=m)
        xp.add(m, grad, out=m)
        xp.multiply(v, k.beta2, out=v)
        xp.square(grad, out=grad)
        xp.add(v, grad, out=v)
        xp.sqrt(v, out=grad)
        xp.multiply(grad, k.divides, out=grad)
        xp.add(grad, k.eps, out=grad)
        xp.divide(m, grad, out=grad)
        xp.multiply(grad, k.rate, out=grad)
        xp.subtract(theta, grad, out=theta)
