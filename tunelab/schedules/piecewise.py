"""The learning rate goes from point to point."""

from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.errors import PluginError
from tunelab.schedules.whole_steps import whole_steps

Part = Annotated[float, Field(ge=0, le=1)]


class Piecewise(Schedule):
    """Any line through given points, in stairs or straight from one to the next.

        factor(t) = values[i],    the last i with ceil(at[i] * total) <= t                           constant
        factor(t) = (1 - q) * values[i] + q * values[i+1],
                    q = (t / total - at[i]) / (at[i+1] - at[i]),    at[i] <= t / total < at[i+1]      linear

    The first value at the first step and up to the first point, the last value from the last point on. If that point
    is at 1, its value would be reached one step later. PyTorch has none (`MultiStepLR` has stairs of one height);
    optax's `piecewise_constant_schedule` and `piecewise_interpolate_schedule`, which take ratios.

    Attributes:
        at: where the points are, as ascending parts of the training.
        values: the factors there.
        shape: how to go from one to the next.

    >>> stairs, steps = Piecewise(at=(0.0, 0.5), values=(1.0, 0.2)), np.arange(4).reshape(4, 1, 1)
    >>> stairs.factor(Hyper(), steps, np.array([[4]])).ravel().tolist()
    [1.0, 1.0, 0.2, 0.2]
    >>> lines = Piecewise(at=(0.0, 0.5, 1.0), values=(0.0, 1.0, 0.0), shape="linear")
    >>> lines.factor(Hyper(), steps, np.array([[4]])).ravel().tolist()
    [0.0, 0.5, 1.0, 0.5]
    """

    at: Annotated[tuple[Part, ...], Field(min_length=1)] = (0.0, 0.5, 0.75)
    values: Annotated[tuple[Part, ...], Field(min_length=1)] = (1.0, 0.1, 0.01)
    shape: Literal["constant", "linear"] = "constant"

    @model_validator(mode="after")
    def _points(self) -> Self:
        if len(self.at) != len(self.values):
            raise PluginError(
                f"Piecewise: values needs one number for each of the {len(self.at)} in at, was {self.values!r}"
            )
        if any(left >= right for left, right in pairwise(self.at)):
            raise PluginError(f"Piecewise: at must ascend, was {self.at!r}")
        return self

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return the value of each step."""
        part = np.divide(step, total)
        found = np.full_like(part, self.values[0])
        for (left, before), (right, after) in pairwise(zip(self.at, self.values, strict=True)):
            if self.shape == "constant":
                found = np.where(step < whole_steps(right, total), found, after)
            else:
                share = np.clip((part - left) / (right - left), 0, 1)
                found = np.where(part < left, found, (1 - share) * before + share * after)
        return found
