"""The learning rate falls at milestones."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials

Milestone = Annotated[float, Field(gt=0, lt=1)]


class MultiStep(Schedule):
    """A drop to a part of itself at each milestone.

        factor(t) = gamma^(milestones m with ceil(m * total) <= t)

    1 at the first step; at the last, gamma^(number of milestones) or, where a milestone is rounded up to the end, a
    power below. PyTorch's `MultiStepLR(milestones=[ceil(m * total), ...], gamma=gamma)`; optax's
    `piecewise_constant_schedule`. Milestones are parts of the training, not numbers of steps, and are rounded up. One
    that is there twice counts twice, as in PyTorch.

    Attributes:
        gamma: what a drop leaves of the learning rate.
        milestones: where the drops are, as parts of the training.

    >>> hyper, steps = Hyper(gamma=np.array([[0.5]])), np.arange(8).reshape(8, 1, 1)
    >>> MultiStep(gamma=0.5, milestones=(0.5, 0.75)).factor(hyper, steps, np.array([[8]])).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

    Reference: He et al., Deep Residual Learning, CVPR 2016, arXiv:1512.03385: by 10 at 32k and 48k of 64k steps.
    """

    gamma: Annotated[float, Field(gt=0, le=1), Float(0.05, 0.8, log=True), FromTrials(25)] = 0.1
    milestones: Annotated[tuple[Milestone, ...], Field(min_length=1)] = (0.5, 0.75)

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return gamma for each milestone that has passed, multiplied."""
        found = np.ones_like(step / total)
        for milestone in self.milestones:
            found = np.where(step < whole_steps(milestone, total), found, found * hyper.gamma)
        return found
