"""The learning rate rises, then falls as one over the root of time."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


class InverseSqrt(Schedule):
    """A straight line up to 1, then the inverse square root: Noam's schedule, with the optimizer's lr as the peak.

        factor(t) = min((t + 1) / w, sqrt(w / (t + 1))),    w = ceil(warmup * total) steps

    1 / w at the first step, so that none is wasted on a learning rate of zero; 1 at the w-th; sqrt(w / total) at the
    last. The rise is part of the equation and is this schedule's own: with the experiment's `warmup` too, there are two
    in a row. PyTorch and optax have none. The paper multiplies by d_model^-0.5 * w^-0.5, which is in lr here.

    Attributes:
        warmup: the part of the training over which the learning rate rises.

    >>> hyper, steps = Hyper(warmup=np.array([[0.5]])), np.arange(8).reshape(8, 1, 1)
    >>> InverseSqrt(warmup=0.5).factor(hyper, steps, np.array([[8]])).ravel().round(4).tolist()
    [0.25, 0.5, 0.75, 1.0, 0.8944, 0.8165, 0.7559, 0.7071]

    Reference: Vaswani et al., Attention Is All You Need, NeurIPS 2017, arXiv:1706.03762, section 5.3.
    """

    warmup: Annotated[float, Field(gt=0, le=1), Float(0.01, 0.2, log=True), FromTrials(25)] = 0.05

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return min((t + 1) / w, sqrt(w / (t + 1)))."""
        rise = whole_steps(hyper.warmup, total)
        return np.minimum((step + 1) / rise, np.sqrt(rise / (step + 1)))
