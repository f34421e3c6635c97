"""The learning rate falls as one over time."""

from typing import Annotated

import numpy as np
from pydantic import NonNegativeFloat

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.space import Float, FromTrials


class InverseTime(Schedule):
    """Inverse time decay.

        factor(t) = 1 / (1 + rate * t / total)

    1 at the first step; at the last, just above 1 / (1 + rate). PyTorch has none: it is
    `LambdaLR(lambda t: 1 / (1 + rate * t / total))`, and `Adagrad(lr_decay=rate / total)` has it built in. Along
    such a decay the learning rates sum to infinity and their squares do not, as proofs for stochastic gradients ask.

    Attributes:
        rate: after the last step, the learning rate is 1 + rate times smaller than at the first.

    >>> hyper, steps = Hyper(rate=np.array([[4.0]])), np.arange(4).reshape(4, 1, 1)
    >>> InverseTime(rate=4.0).factor(hyper, steps, np.array([[4]])).ravel().round(4).tolist()
    [1.0, 0.5, 0.3333, 0.25]

    Reference: Robbins & Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22, 1951.
    """

    rate: Annotated[NonNegativeFloat, Float(1.0, 300.0, log=True), FromTrials(25)] = 10.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return 1 / (1 + rate * t / total)."""
        return np.reciprocal(1 + hyper.rate * (step / total))
