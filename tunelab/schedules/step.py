"""The learning rate falls at regular intervals."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


class Step(Schedule):
    """A drop to a part of itself after each interval.

        factor(t) = gamma^floor(t / s),    s = ceil(every * total) steps

    1 at the first step; at the last, gamma^(ceil(1 / every) - 1) or, where an interval has few steps, a power below.
    PyTorch's `StepLR(step_size=s, gamma=gamma)`; optax's `exponential_decay(staircase=True)`. The interval is a part of
    the training, not a number of steps, so that a budget twice as long has the same drops twice as far apart; it is
    rounded up, because rounded down it would add one more drop in the very last steps.

    Attributes:
        gamma: what a drop leaves of the learning rate.
        every: the interval, as a part of the training.

    >>> hyper, steps = Hyper(gamma=np.array([[0.1]]), every=np.array([[0.5]])), np.arange(4).reshape(4, 1, 1)
    >>> Step(gamma=0.1, every=0.5).factor(hyper, steps, np.array([[4]])).ravel().tolist()
    [1.0, 1.0, 0.1, 0.1]

    Reference: the usual recipe of vision, e.g. He et al., Deep Residual Learning, CVPR 2016, arXiv:1512.03385.
    """

    gamma: Annotated[float, Field(gt=0, le=1), Float(0.05, 0.8, log=True), FromTrials(25)] = 0.3
    every: Annotated[float, Field(gt=0, le=1), Float(0.1, 0.5), FromTrials(25)] = 1 / 3

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return gamma^floor(t / s)."""
        interval = whole_steps(hyper.every, total)
        return hyper.gamma ** np.floor(step / interval)
