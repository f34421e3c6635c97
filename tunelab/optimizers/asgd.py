"""ASGD: the path whose points Polyak and Juditsky average."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class ASGD(Rule):
    """A step against the gradient of a regularised loss, at a rate that falls as fast as averaging allows.

        eta_t = lr_t / (1 + decay * lr_t * (t - 1))^power
        theta_t = (1 - decay * eta_t) * theta_(t-1) - eta_t * g_t

    The parameters of PyTorch's `ASGD`, where decay is called `lambd` and power `alpha`. Beside them it keeps the mean
    of all theta after step t0 (a million by default), which no step uses; this rule keeps none, and what is evaluated
    is theta. Where the learning rate moves, PyTorch's eta_t is still that of lr_(t-1), worked out at the end of the
    step before; this one takes today's. (PyTorch keeps eta in its default dtype; in float32 that is 1e-7 away.) optax
    has no such rule.

    Attributes:
        lr: learning rate, in parameter per gradient.
        decay: the part of a parameter that goes at each step, per unit of learning rate, and how fast the rate falls:
            it has halved after about 1.5 / (decay * lr) steps.
        power: how steeply the rate falls in the end; averaging wants more than 1/2 and less than 1, and 0 leaves the
            rate to the schedule.

    >>> ASGD(lr=0.1).power
    0.75

    Reference: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, SIAM Journal on Control and
    Optimization 30(4), 1992; in this form Bottou's, Large-scale machine learning with stochastic gradient descent,
    COMPSTAT 2010. The ranges are those of SGD and of coupled weight decay.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 3.0, log=True)] = 0.01
    decay: Annotated[NonNegativeFloat, Float(1e-7, 1e-3, log=True)] = 1e-4
    power: NonNegativeFloat = 0.75

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the rate of today's gradient, and the part of the parameters that stays."""
        # not `**`: where all powers are 1/2, NumPy takes a root, and a member alone differs in the last bit
        eta = hyper.lr * np.exp(-hyper.power * np.log1p(hyper.decay * hyper.lr * (step - 1)))
        return {"rate": eta, "keep": 1 - hyper.decay * eta}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(theta, k.keep, out=theta)
        xp.multiply(grad, k.rate, out=grad)
        xp.subtract(theta, grad, out=theta)
