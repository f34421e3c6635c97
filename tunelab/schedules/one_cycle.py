"""The learning rate rises once and falls once."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.space import Float, FromTrials


class OneCycle(Schedule):
    """Half a cosine from `start` up to 1, and half a cosine from there down to `final`: the optimizer's lr is the peak.

        peak = rise * total - 1
        factor(t) = start + (1 - start) * (1 - cos(pi * t / peak)) / 2                                  up to the peak
        factor(t) = final + (1 - final) * (1 + cos(pi * (t - peak) / (total - 1 - peak))) / 2           after it

    `start` at the first step, `final` itself at the last; in between 1, where the peak is a whole step. A training of
    no more than 1 / rise steps begins at the peak. PyTorch's `OneCycleLR(max_lr=lr, total_steps=total, pct_start=rise,
    div_factor=1 / start, final_div_factor=start / final)`, two phases, cosines; it begins so short a training in the
    middle of the fall or divides by zero. PyTorch also moves the momentum (or beta1) the other way, between 0.95 and
    0.85; this, like optax's `cosine_onecycle_schedule`, does not. The paper's lines are straight, and a third phase
    ends them.

    Attributes:
        rise: the part of the training over which the learning rate rises.
        start: the factor at the first step.
        final: the factor at the last step.

    >>> hyper = Hyper(rise=np.array([[0.5]]), start=np.array([[0.2]]), final=np.array([[0.0]]))
    >>> steps = np.arange(6).reshape(6, 1, 1)
    >>> OneCycle(rise=0.5, start=0.2).factor(hyper, steps, np.array([[6]])).ravel().round(4).tolist()
    [0.2, 0.6, 1.0, 0.75, 0.25, 0.0]

    Reference: Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates,
    arXiv:1708.07120.
    """

    rise: Annotated[float, Field(gt=0, lt=1), Float(0.05, 0.5), FromTrials(25)] = 0.3
    start: Annotated[float, Field(ge=0, le=1)] = 1 / 25
    final: Annotated[float, Field(ge=0, le=1)] = 1 / 25e4

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return low + (1 - low) * (1 + cos(pi * distance from the peak)) / 2."""
        peak = np.maximum(hyper.rise * total - 1, 0)
        rising = step < peak
        side = np.where(rising, peak, total - 1 - peak)
        away = np.abs(step - peak) / np.where(side > 0, side, 1)
        low = np.where(rising, hyper.start, hyper.final)
        return low + (1 - low) * (1 + np.cos(np.pi * away)) / 2
