"""Sharpness-aware minimization: a step against the gradient of the worst point near by."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.momentum import Momentum
from tunelab.optimizers.norms import norm
from tunelab.space import Float


class SAM(Wrapper):
    """The inner step is taken with the gradient at the end of a short step uphill.

        e = rho * g(theta) / (|g(theta)| + 1e-12)
        g <- g(theta + e), from which the inner optimizer steps at theta

    Both gradients are of the same rows and the same dropout noise, so that a step costs two of them. The norm is over
    all parameters of a member. The authors' and pytorch_optimizer's `SAM(adaptive=False)`; the adaptive form (ASAM),
    which scales e by |theta|, is not here. Whatever changes the gradient (`ClipNorm`, `CoupledDecay`) belongs inside:
    outside it would see the first gradient only.

    Attributes:
        inner: what takes the step.
        rho: the length of the step uphill, in parameter.

    >>> SAM(rho=0.1).second_gradient
    True

    Reference: Foret, Kleiner, Mobahi & Neyshabur, Sharpness-Aware Minimization for Efficiently Improving
    Generalization, ICLR 2021, arXiv:2010.01412. Range: around the values of its grid.
    """

    inner: Annotated[Optimizer, Momentum.search()] = Momentum()
    rho: Annotated[PositiveFloat, Float(0.01, 0.5, log=True)] = 0.05
    slots: ClassVar[tuple[str, ...]] = ("start",)
    second_gradient: ClassVar[bool] = True

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Climb, take the gradient there, and come back for the inner step."""
        slots["start"][...] = theta
        length = norm(xp, grad, scratch)
        xp.multiply(grad, k.rho / (length + 1e-12), out=scratch)
        xp.add(theta, scratch, out=theta)
        step.gradient()
        theta[...] = slots["start"]
        step.inner()
