"""The learning rate falls as a power of the time that is left."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.space import Float, FromTrials


class Polynomial(Schedule):
    """A power of the part of the training that is left.

        factor(t) = final + (1 - final) * (1 - t / total)^power

    1 at the first step; final + (1 - final) / total^power at the last: `final` itself would be reached one step later.
    `Linear` is power = 1. PyTorch's `PolynomialLR(total_iters=total, power=power)`, which has no `final` and defaults
    to power = 1; optax's `polynomial_schedule(transition_steps=total)`.

    Attributes:
        power: above 1, most of the decay comes early; below 1, late.
        final: the factor after the last step.

    >>> import numpy as np
    >>> hyper = Hyper(power=np.array([[2.0]]), final=np.array([[0.0]]))
    >>> Polynomial(power=2.0).factor(hyper, np.arange(4).reshape(4, 1, 1), np.array([[4]])).ravel().tolist()
    [1.0, 0.5625, 0.25, 0.0625]

    Reference: Chen et al., DeepLab, arXiv:1606.00915, which calls it "poly" and uses power 0.9.
    """

    power: Annotated[PositiveFloat, Float(0.5, 4.0, log=True), FromTrials(25)] = 2.0
    final: Annotated[float, Field(ge=0, le=1)] = 0.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return final + (1 - final) * (1 - t / total)^power."""
        left = 1 - step / total
        each = hyper.power + 0 * left  # numpy.power squares where one 2.0 serves many numbers: other bits on AVX-512
        return hyper.final + (1 - hyper.final) * left**each
