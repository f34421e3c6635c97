"""Adafactor: Adam's squares kept as one number a row and one a column, and steps measured by the tensor's own size."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.norms import norm
from tunelab.space import Float


class Adafactor(Rule):
    """A step against the gradient, divided by the root of a rank-one estimate of its recent squares, of limited size.

        w_t = t^(-decay)
        row_t = (1 - w_t) * row_(t-1) + w_t * (mean of g_t^2 over each row),    column_t likewise
        v_t = row_t * column_t / max(mean(row_t), eps1)
        u_t = g_t / sqrt(max(v_t, eps1^2))
        s_t = min(lr_t, 1 / sqrt(t)) * max(eps2, rms(theta_(t-1)))
        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - s_t * u_t / max(1, rms(u_t) / clip)

    with the root mean squares of one tensor of one member. A tensor of more than one axis is factored over its last
    two; one of a single axis keeps all its squares. PyTorch's `Adafactor`, whose eps1 is that of the dtype if none is
    given. The paper adds eps1 = 1e-30 to g^2 instead; optax's `adafactor` factors only axes of 128 and more, and does
    not hold the learning rate below 1 / sqrt(t). It allocates arrays of a tensor's size.

    Attributes:
        lr: learning rate, in parts of a tensor's root mean square: the length of a step of every element, at most.
        decay: how fast the weight of one gradient in the mean falls; at 0.8 the mean reaches back over t^0.8 steps.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.
        eps1: keeps the division finite, in gradient.
        eps2: the least size of a tensor, so that one that starts at zero moves.
        clip: the largest root mean square of u.

    >>> Adafactor().slot_shapes((64, 10))
    {'row': (64, 1), 'column': (1, 10)}

    Reference: Shazeer & Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, ICML 2018,
    arXiv:1804.04235. Ranges: AlgoPerf's baselines (arXiv:2306.07179).
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 1e-2, log=True)] = 0.01
    decay: PositiveFloat = 0.8
    weight_decay: Annotated[NonNegativeFloat, Float(1e-3, 1.0, log=True)] = 0.01
    eps1: PositiveFloat = 2.0**-23
    eps2: PositiveFloat = 1e-3
    clip: PositiveFloat = 1.0
    slots: ClassVar[tuple[str, ...]] = ("row", "column", "v")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return a row and a column for a matrix, and as many squares as elements for a vector."""
        if len(shape) < 2:
            return {"v": shape}
        return {"row": (*shape[:-1], 1), "column": (*shape[:-2], 1, shape[-1])}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the weight of today's squares, the relative step and what stays of the parameters."""
        weight = step**-hyper.decay
        return {
            "weight": weight,
            "stay": 1 - weight,
            "rate": np.minimum(hyper.lr, 1 / np.sqrt(step)),
            "keep": 1 - hyper.lr * hyper.weight_decay,
            "eps1": hyper.eps1,
            "least": hyper.eps1**2,
            "eps2": hyper.eps2,
            "clip": hyper.clip,
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        root = math.sqrt(math.prod(theta.shape[1:]))
        size = xp.maximum(k.eps2, norm(xp, theta, scratch) / root)
        xp.square(grad, out=scratch)
        xp.divide(grad, xp.sqrt(xp.maximum(self._squares(xp, scratch, slots, k), k.least)), out=grad)
        excess = norm(xp, grad, scratch) / (root * k.clip)
        xp.multiply(grad, k.rate * size / xp.where(excess > 1, excess, 1.0), out=grad)
        xp.multiply(theta, k.keep, out=theta)
        xp.subtract(theta, grad, out=theta)

    def _squares(self, xp: Any, squares: Array, slots: Mapping[str, Array], k: Hyper) -> Array:
        """Take the squares of a gradient into their means; return these, put together."""
        if squares.ndim < 3:
            v = slots["v"]
            v[...] = k.stay * v + k.weight * squares
            return v
        row, column = slots["row"], slots["column"]
        row[...] = k.stay * row + k.weight * squares.mean(-1)[..., None]
        column[...] = k.stay * column + k.weight * squares.mean(-2)[..., None, :]
        return row / xp.maximum(row.mean(-2)[..., None, :], k.eps1) * column
