"""The learning rate falls along half a cosine, again and again."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


class SGDR(Schedule):
    """Half a cosine from 1 towards `final`, then from 1 again, each period `mult` times as long as the one before.

        factor(t) = final + (1 - final) * (1 + cos(pi * (t - b_i) / (b_{i+1} - b_i))) / 2,    b_i <= t < b_{i+1}
        b_i = ceil(first * (1 + mult + ... + mult^(i-1)) * total)

    1 at the first step and at each restart; the last step is wherever in its period the training ends. With `first` =
    (mult - 1) / (mult^n - 1), by default 1/7 with 2, it ends with the n-th period: there, and in the last step before
    a restart, about final + (1 - final) * (pi / (2 * length of the period))^2. PyTorch's
    `CosineAnnealingWarmRestarts(T_0=first * total, T_mult=mult, eta_min=final * lr)`, which takes whole numbers only;
    optax's `sgdr_schedule`.

    Attributes:
        first: the first period, as a part of the training.
        mult: how many times as long as the one before a period is.
        final: the factor after the last step of a period.

    >>> hyper = Hyper(first=np.array([[1 / 3]]), mult=np.array([[2.0]]), final=np.array([[0.0]]))
    >>> SGDR(first=1 / 3).factor(hyper, np.arange(6).reshape(6, 1, 1), np.array([[6]])).ravel().round(4).tolist()
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464]

    Reference: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, arXiv:1608.03983.
    """

    first: Annotated[float, Field(ge=1e-3, le=1), Float(0.05, 0.5, log=True), FromTrials(25)] = 1 / 7
    mult: Annotated[float, Field(ge=1)] = 2.0
    final: Annotated[float, Field(ge=0, le=1)] = 0.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return final + (1 - final) * (1 + cos(pi * part of the period)) / 2."""
        length = until = hyper.first
        end = whole_steps(until, total)
        since, period = step, end
        while (end <= step).any():
            length = length * hyper.mult
            until = until + length
            begin, end = end, whole_steps(until, total)
            earlier = step < begin
            since = np.where(earlier, since, step - begin)
            period = np.where(earlier, period, end - begin)
        return hyper.final + (1 - hyper.final) * (1 + np.cos(np.pi * (since / period))) / 2
