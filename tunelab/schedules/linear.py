"""The learning rate falls along a straight line."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule


class Linear(Schedule):
    """A straight line from 1 towards `final`.

        factor(t) = 1 - (1 - final) * t / total

    1 at the first step; final + (1 - final) / total at the last: `final` itself would be reached one step later, so
    that no step is wasted on a learning rate of zero. PyTorch's
    `LinearLR(start_factor=1, end_factor=final, total_iters=total)`, whose own default is a warm-up from 1/3 to 1;
    optax's `linear_schedule(transition_steps=total)`.

    Attributes:
        final: the factor after the last step.

    >>> hyper, steps = Hyper(final=np.array([[0.0]])), np.arange(4).reshape(4, 1, 1)
    >>> Linear().factor(hyper, steps, np.array([[4]])).ravel().tolist()
    [1.0, 0.75, 0.5, 0.25]

    Reference: Defazio et al., Optimal Linear Decay Learning Rate Schedules and Further Refinements, arXiv:2310.07831.
    """

    final: Annotated[float, Field(ge=0, le=1)] = 0.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return 1 - (1 - final) * t / total."""
        return 1 - (1 - hyper.final) * np.divide(step, total)
