"""Adamax: Adam with the largest recent gradient in place of the mean square."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class Adamax(Rule):
    """A step against the weighted mean of recent gradients, divided by the largest of them, discounted by its age.

        m_t = beta1 * m_(t-1) + g_t          m_hat = m_t / c1,    c1 = 1 + beta1 + ... + beta1^(t-1)
        u_t = max(beta2 * u_(t-1), |g_t| + eps),    u_0 = 0
        theta_t = theta_(t-1) - lr_t * m_hat / u_t

    PyTorch's `Adamax` and optax's `adamax`. The paper has no eps and is not defined before the first gradient that is
    not zero. The m of all three is (1 - beta1) times this one; the hat is the same. u needs no correction.

    Attributes:
        lr: learning rate, in parameter: no step is much longer.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps; searched as 1 - beta1 on a log axis.
        beta2: how fast a large gradient is forgotten, within about 1 / (1 - beta2) steps.
        eps: keeps the division finite, in gradient.

    >>> Adamax().slots
    ('m', 'u')

    Reference: Kingma & Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, arXiv:1412.6980, section 7.1. The
    ranges are Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.002
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "u")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the betas, eps, and the learning rate with the correction of the mean folded in."""
        c1 = (1 - hyper.beta1**step) / (1 - hyper.beta1)
        return {"beta1": hyper.beta1, "beta2": hyper.beta2, "eps": hyper.eps, "rate": hyper.lr / c1}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, u = slots["m"], slots["u"]
        xp.multiply(m, k.beta1, out=m)
        xp.add(m, grad, out=m)
        xp.multiply(u, k.beta2, out=u)
        xp.abs(grad, out=grad)
        xp.add(grad, k.eps, out=grad)
        xp.maximum(u, grad, out=u)
        xp.divide(m, u, out=grad)
        xp.multiply(grad, k.rate, out=grad)
        xp.subtract(theta, grad, out=theta)
