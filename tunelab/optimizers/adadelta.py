"""Adadelta: each parameter's step has the recent size of its own steps."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float, FromTrials


class Adadelta(Rule):
    """A step against the gradient, in units of recent steps over recent gradients.

        v_t = rho * v_(t-1) + (1 - rho) * g_t^2,    v_0 = 0
        step_t = g_t * sqrt(d_(t-1) + eps) / sqrt(v_t + eps)
        d_t = rho * d_(t-1) + (1 - rho) * step_t^2,    d_0 = 0
        theta_t = theta_(t-1) - lr_t * step_t

    PyTorch's `Adadelta` and optax's `adadelta`. The paper has no learning rate, which is lr = 1, PyTorch's default; the
    learning rate never enters d. As d starts at zero, it is eps that makes the first steps, which are about
    sqrt(eps / (1 - rho)) long, and d grows from them.

    Attributes:
        lr: what the rule's own step is multiplied by.
        rho: the part of both averages that is kept; squares are remembered for about 1 / (1 - rho) steps, so it is
            searched as 1 - rho on a log axis.
        eps: under both roots, so in gradient squared and in parameter squared; it sets the speed of the start.

    >>> Adadelta().lr
    1.0
    >>> Adadelta.ranges()["eps"]
    Float(1e-08, 0.01, log=True)

    Reference: Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701. The ranges are ours.
    """

    lr: Annotated[PositiveFloat, Float(1e-2, 10.0, log=True)] = 1.0
    rho: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.999, complement_log=True), FromTrials(10)] = 0.9
    eps: Annotated[PositiveFloat, Float(1e-8, 1e-2, log=True), FromTrials(25)] = 1e-6
    slots: ClassVar[tuple[str, ...]] = ("v", "d")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return what the rule needs to keep v and d as plain discounted sums: their ratio is the same."""
        return {"rho": hyper.rho, "lr": hyper.lr, "eps": hyper.eps / (1 - hyper.rho)}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        v, d = slots["v"], slots["d"]
        xp.multiply(v, k.rho, out=v)
        xp.square(grad, out=scratch)
        xp.add(v, scratch, out=v)
        xp.add(v, k.eps, out=scratch)
        xp.sqrt(scratch, out=scratch)
        xp.divide(grad, scratch, out=grad)
        xp.add(d, k.eps, out=scratch)
        xp.sqrt(scratch, out=scratch)
        xp.multiply(grad, scratch, out=grad)
        xp.multiply(d, k.rho, out=d)
        xp.square(grad, out=scratch)
        xp.add(d, scratch, out=d)
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
