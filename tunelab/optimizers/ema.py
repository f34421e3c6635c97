"""Evaluated at an exponential moving average of the weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.adam import Adam
from tunelab.space import Float


class EMA(Wrapper):
    """Training goes on as if nothing were there; what is evaluated and saved is a moving average of the parameters.

        a_1 = theta_1,    a_t = decay * a_(t-1) + (1 - decay) * theta_t

    PyTorch's `AveragedModel` with `get_ema_multi_avg_fn(decay)`, updated after every step. optax's `ema`, kept of
    parameters, begins at zero and is corrected for that instead.

    Attributes:
        inner: what takes the step.
        decay: the part of the average that is kept; it reaches back about 1 / (1 - decay) steps, so it is searched as
            1 - decay on a log axis.

    >>> EMA(decay=0.99).averages
    True

    Reference: Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Morales-Brotons et al.,
    Exponential Moving Average of Weights in Deep Learning, TMLR 2024, arXiv:2411.18704. Range: ours.
    """

    inner: Annotated[Optimizer, Adam.search()] = Adam()
    decay: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    slots: ClassVar[tuple[str, ...]] = ("mean",)
    copies: ClassVar[tuple[str, ...]] = ("mean",)
    averages: ClassVar[bool] = True

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the weights of the average so far and of the new parameters."""
        keep = np.where(step > 1, hyper.decay, 0.0)
        return {"keep": keep, "fresh": 1 - keep}

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Take the inner step, then take its result into the average."""
        step.inner()
        into_mean(xp, slots["mean"], theta, k, scratch)

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace the parameters by their average."""
        theta[...] = slots["mean"]


def into_mean(xp: Any, mean: Array, theta: Array, k: Hyper, scratch: Array) -> None:
    """Take the parameters into their average, in place: mean <- keep * mean + fresh * theta."""
    xp.multiply(mean, k.keep, out=mean)
    xp.add(mean, xp.multiply(theta, k.fresh, out=scratch), out=mean)
