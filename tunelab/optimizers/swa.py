"""Evaluated at the plain average of the weights of the last part of the training."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.ema import into_mean
from tunelab.optimizers.momentum import Momentum
from tunelab.space import Float


class SWA(Wrapper):
    """Stochastic weight averaging: what is evaluated and saved is the mean of the parameters of the training's tail.

        before b = ceil(start * total) steps:  a = theta
        from there on, every `every` steps:    a <- a + (theta - a) / (n + 1),    n averaged so far

    The first one averaged is that after step b + 1. PyTorch's `AveragedModel`, with `update_parameters` called every
    `every` steps from there on. The paper averages once an epoch (`every` = steps of one) under a constant or cyclic
    learning rate; which schedule it goes with is the experiment's choice here (`Constant`, `SGDR`, `Then`).

    Attributes:
        inner: what takes the step.
        start: where the tail begins, as a part of the training.
        every: steps between two that are averaged.

    >>> SWA(start=0.5).rule
    Momentum(lr=0.01, momentum=0.9, dampening=0.0)

    Reference: Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018,
    arXiv:1803.05407.
    """

    inner: Annotated[Optimizer, Momentum.search()] = Momentum()
    start: Annotated[float, Field(ge=0, lt=1), Float(0.3, 0.9)] = 0.75
    every: PositiveInt = 1
    slots: ClassVar[tuple[str, ...]] = ("mean",)
    copies: ClassVar[tuple[str, ...]] = ("mean",)
    averages: ClassVar[bool] = True

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the weights of the average so far and of the new parameters."""
        into = step - 1 - np.ceil(hyper.start * hyper.total * (1 - 1e-12))  # 0 at the first that is averaged
        count, rest = np.divmod(np.maximum(into, 0), self.every)
        fresh = np.where(into < 0, 1.0, np.where(rest == 0, 1 / (count + 1), 0.0))
        return {"keep": 1 - fresh, "fresh": fresh}

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Take the inner step, then take its result into the average."""
        step.inner()
        into_mean(xp, slots["mean"], theta, k, scratch)

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace the parameters by their average."""
        theta[...] = slots["mean"]
