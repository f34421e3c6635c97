"""One schedule, and then another."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.errors import PluginError
from tunelab.schedules.constant import Constant
from tunelab.schedules.linear import Linear
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


def _without_memory(part: Schedule) -> Schedule:
    if part.memory():
        raise PluginError(f"Then: {part!r} follows a metric, which a part cannot; use it as the whole schedule")
    return part


Part = Annotated[Schedule, AfterValidator(_without_memory)]


class Then(Schedule):
    """One schedule up to a point of the training, another from there on; each takes its part for the whole training.

        factor(t) = first(t, b)                             t < b,    b = ceil(at * total) steps
        factor(t) = scale * second(t - b, total - b)        t >= b

    `first`'s own at the first step, and `second`'s at the last, times `scale`. A second schedule that begins at 1 takes
    the learning rate up again, as a restart does, unless `scale` says how far down the first one went. PyTorch's
    `SequentialLR([first, second], milestones=[b])`, with schedulers of b and of total - b steps, and optax's
    `join_schedules`; neither has a scale. More than two: `Then(first=..., second=Then(...))`.

    Attributes:
        first: the schedule up to the point.
        second: the schedule from there on.
        at: the point, as a part of the training.
        scale: what the second schedule's factors are multiplied by.

    >>> steps, hold = np.arange(4).reshape(4, 1, 1), Then(first=Constant(), second=Linear(), at=0.5)
    >>> numbers = {"at": np.array([[0.5]]), "scale": np.array([[1.0]])}
    >>> hyper = Hyper(**numbers, first=Hyper(), second=Hyper(final=np.array([[0.0]])))
    >>> hold.factor(hyper, steps, np.array([[4]])).ravel().tolist()
    [1.0, 1.0, 1.0, 0.5]

    Both parts may be searched: `Then.search(first=Cosine(final=0.1), second=Choice(Linear(), Step.search()))`.
    """

    first: Part = Constant()
    second: Part = Linear()
    at: Annotated[float, Field(gt=0, lt=1), Float(0.1, 0.9), FromTrials(25)] = 0.5
    scale: Annotated[float, Field(ge=0, le=1)] = 1.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return the factors of the first schedule, then those of the second."""
        change = whole_steps(hyper.at, total)
        first = self.first.factor(hyper.first, np.minimum(step, change - 1), change)
        second = self.second.factor(hyper.second, np.maximum(step - change, 0), np.maximum(total - change, 1))
        return np.where(step < change, first, hyper.scale * second)
