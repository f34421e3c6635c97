"""The learning rate falls by the same part each step."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.space import Float, FromTrials


class Exponential(Schedule):
    """Exponential decay.

        factor(t) = final^(t / total)

    1 at the first step; final^(1 - 1 / total) at the last: `final` itself would be reached one step later. PyTorch's
    `ExponentialLR(gamma=final ** (1 / total))`; optax's `exponential_decay(decay_rate=final, transition_steps=total)`.
    Both are given a decay a step; here it follows from where the decay should end, which means the same at any budget.

    Attributes:
        final: the factor after the last step.

    >>> hyper, steps = Hyper(final=np.array([[0.01]])), np.arange(4).reshape(4, 1, 1)
    >>> Exponential(final=0.01).factor(hyper, steps, np.array([[4]])).ravel().round(4).tolist()
    [1.0, 0.3162, 0.1, 0.0316]

    Reference: a common recipe without an author; e.g. Tan & Le, EfficientNet, ICML 2019, arXiv:1905.11946.
    """

    final: Annotated[float, Field(gt=0, le=1), Float(1e-4, 0.5, log=True), FromTrials(25)] = 0.01

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return final^(t / total)."""
        return np.power(hyper.final, step / total)
