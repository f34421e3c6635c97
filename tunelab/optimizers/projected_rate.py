"""What SWATS measures while its first rule trains: the learning rate that SGD would have needed for the same steps."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Optimizer, Rule, Step, Wrapper
from tunelab.errors import RunError


class ProjectedRate(Wrapper):
    """Each inner step p is projected on the gradient that it was taken with, and the ratio averaged.

        gamma_t = p'p / (-p'g) / factor_t
        r_t = beta * r_(t-1) + (1 - beta) * gamma_t  where p'g != 0, else r_(t-1)
        rate = r_t / (1 - beta^t)

    with the schedule's factor of the step.

    `Switch(rate="swats")` puts this around its first optimizer; its second one begins with the rate.

    Attributes:
        inner: what takes the step.
        beta: the part of the average that is kept.

    Reference: as of `Switch`.
    """

    inner: Optimizer
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    slots: ClassVar[tuple[str, ...]] = ("start", "first", "rate", "weight")

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of the parameters and of the gradient, and one number each for the mean and its weight."""
        return {"start": shape, "first": shape, "rate": (1,), "weight": (1,)}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return beta and the schedule's factor."""
        return {"beta": hyper.beta, "factor": hyper.factor}

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Take the inner step, and measure it."""
        start, first, rate, weight = (slots[name] for name in self.slots)
        start[...] = theta
        first[...] = grad
        step.inner()
        xp.subtract(theta, start, out=start)
        along = k.factor * xp.multiply(start, first, out=scratch).sum(1)[:, None]  # (P, 1), zero in a step of no length
        length = xp.square(start, out=scratch).sum(1)[:, None]
        known = along != 0
        ratio = length / xp.where(known, -along, 1.0)
        rate[...] = xp.where(known, k.beta * rate + (1 - k.beta) * ratio, rate)
        weight[...] = k.beta * weight + (1 - k.beta)

    def bequeath(self, heir: Optimizer, slots: Mapping[str, np.ndarray]) -> Optimizer:
        """Return the heir with the rate that was measured; its momentum makes each step longer, and it shorter.

        Raises:
            RunError: the steps went uphill on average, so that no rate stands for them.
        """
        if isinstance(heir, ProjectedRate):  # a hand-over inside what is measured
            return super().bequeath(heir, slots)
        rate = float(slots["rate"][0]) / float(slots["weight"][0])
        if not (np.isfinite(rate) and rate > 0):
            raise RunError(
                f"SWATS found no learning rate to hand over: the projected steps of {type(self.rule).__name__} "
                f"average to {rate:.3g}, and more than 0 is required; hand over later, or give Switch a rate"
            )

        def with_rate(rule: Rule) -> Optimizer:
            return rule.model_copy(update={"lr": rate * (1 - getattr(rule, "momentum", 0.0))})

        return heir.map_rules(with_rate)
