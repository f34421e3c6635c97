"""The learning rate rises and falls along straight lines, half as high each time."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.triangular import triangles
from tunelab.space import Float, FromTrials


class Triangular2(Schedule):
    """Straight lines from `low` up and back, to 1 in the first period and half as far above `low` in each that follows.

        h = ceil(period * total / 2) steps
        factor(t) = low + (1 - low) * (1 - |(t mod 2h) / h - 1|) / 2^floor(t / 2h)

    `low` at the first step, 1 after h steps; at the last, with n whole periods, low + (1 - low) / (h * 2^(n-1)).
    PyTorch's `CyclicLR(base_lr=low * lr, max_lr=lr, step_size_up=h, mode="triangular2")`, which also moves the
    momentum; this does not.

    Attributes:
        period: one way up and down, as a part of the training.
        low: the factor at the first step.

    >>> hyper, steps = Hyper(period=np.array([[0.5]]), low=np.array([[0.2]])), np.arange(8).reshape(8, 1, 1)
    >>> Triangular2(period=0.5, low=0.2).factor(hyper, steps, np.array([[8]])).ravel().round(4).tolist()
    [0.2, 0.6, 1.0, 0.6, 0.2, 0.4, 0.6, 0.4]

    Reference: Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, arXiv:1506.01186.
    """

    period: Annotated[float, Field(gt=0, le=1), Float(0.05, 0.5, log=True), FromTrials(25)] = 0.2
    low: Annotated[float, Field(ge=0, le=1)] = 0.25

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return low + (1 - low) * height / 2^(periods before)."""
        height, before = triangles(hyper.period, step, total)
        return hyper.low + (1 - hyper.low) * np.ldexp(height, -before.astype(np.intc))
