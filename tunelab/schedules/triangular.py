"""The learning rate rises and falls along straight lines, again and again."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


class Triangular(Schedule):
    """Straight lines from `low` up to 1 and back: the optimizer's lr is the peak.

        factor(t) = low + (1 - low) * (1 - |(t mod 2h) / h - 1|),    h = ceil(period * total / 2) steps

    `low` at the first step, 1 after h steps; at the last, low + (1 - low) / h where the last period is whole. PyTorch's
    `CyclicLR(base_lr=low * lr, max_lr=lr, step_size_up=h)`, which also moves the momentum the other way, between 0.9
    and 0.8; this does not.

    Attributes:
        period: one way up and down, as a part of the training.
        low: the factor at the first step.

    >>> hyper, steps = Hyper(period=np.array([[0.5]]), low=np.array([[0.2]])), np.arange(8).reshape(8, 1, 1)
    >>> Triangular(period=0.5, low=0.2).factor(hyper, steps, np.array([[8]])).ravel().round(4).tolist()
    [0.2, 0.6, 1.0, 0.6, 0.2, 0.6, 1.0, 0.6]

    Reference: Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, arXiv:1506.01186, which sets low
    to 1/3 or 1/4.
    """

    period: Annotated[float, Field(gt=0, le=1), Float(0.05, 0.5, log=True), FromTrials(25)] = 0.2
    low: Annotated[float, Field(ge=0, le=1)] = 0.25

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return low + (1 - low) * height."""
        height, _ = triangles(hyper.period, step, total)
        return hyper.low + (1 - hyper.low) * height


def triangles(period: Array, step: Array, total: Array) -> tuple[Array, Array]:
    """Return how high in its triangle each step is, 0 to 1, and how many triangles came before."""
    half = whole_steps(period / 2, total)
    return 1 - np.abs(np.mod(step, 2 * half) / half - 1), np.floor(step / (2 * half))
