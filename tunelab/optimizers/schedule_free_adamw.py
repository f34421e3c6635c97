"""Schedule-Free AdamW: trained at one point, evaluated at an average."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.schedule_free_sgd import average_step
from tunelab.space import Float


class ScheduleFreeAdamW(Rule):
    """The points of `ScheduleFreeSGD`, with gradients divided by the root of the mean of their recent squares.

        v_t = beta2 * v_(t-1) + (1 - beta2) * g_t^2,    v_hat = v_t / (1 - beta2^t),    g_t taken at y_(t-1)
        z_t = z_(t-1) - lr_t * (g_t / (sqrt(v_hat) + eps) + weight_decay * y_(t-1))
        x_t = (1 - c_t) * x_(t-1) + c_t * z_t,          c_t = lr_t^2 / (lr_1^2 + ... + lr_t^2)
        y_t = (1 - beta1) * z_t + beta1 * x_t,          x_0 = y_0 = z_0 = theta_0

    The parameters that train are y; those that are evaluated and saved are x. It wants no schedule but a warm-up. This
    is schedulefree 1.4's `AdamWScheduleFree`, but that this weighs c_t by the largest rate so far, which is
    the same unless a schedule lowers it. The paper multiplies the rate, and so the weight, by sqrt(1 - beta2^t)
    in place of the correction of v. optax's `schedule_free_adamw` counts the steps of a warm-up
    otherwise (1e-3 to 7e-3 away).

    Attributes:
        lr: learning rate, in parameter; 1 to 10 times what `AdamW` wants on a schedule.
        beta1: how far y is from z, where the steps are taken, towards x, the average; searched as 1 - beta1 on a log
            axis.
        beta2: the weight of each square relative to the next one in the mean.
        eps: keeps the division finite, in gradient.
        weight_decay: the part of y that is added to the divided gradient.

    >>> ScheduleFreeAdamW(lr=0.003).slots
    ('x', 'z', 'v', 'weights')

    Reference: Defazio et al., The Road Less Scheduled, NeurIPS 2024, arXiv:2405.15682. Ranges: three times that of
    `AdamW`'s lr, the values of beta1 that the authors' README names (facebookresearch/schedule_free), and `AdamW`'s
    weight decay.
    """

    lr: Annotated[PositiveFloat, Float(3e-4, 1e-1, log=True)] = 0.0025
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: PositiveFloat = 1e-8
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01
    slots: ClassVar[tuple[str, ...]] = ("x", "z", "v", "weights")
    copies: ClassVar[tuple[str, ...]] = ("x", "z")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "whole"
    averages: ClassVar[bool] = True

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of the points and of the squares, and one number for the sum of the weights."""
        return {"x": shape, "z": shape, "v": shape, "weights": (1,)}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the weights of both averages; v is kept as the sum of beta2^(t-i) * g_i^2, as `Adam` keeps it."""
        root = np.sqrt((1 - hyper.beta2**step) / (1 - hyper.beta2))
        return {
            "weight": hyper.lr**2,
            "ahead": 1 - hyper.beta1,
            "beta2": hyper.beta2,
            "eps": hyper.eps * root,
            "rate": hyper.lr * root,
            "decay": hyper.lr * hyper.weight_decay,
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        v = slots["v"]
        xp.multiply(v, k.beta2, out=v)
        xp.square(grad, out=scratch)
        xp.add(v, scratch, out=v)
        xp.sqrt(v, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        xp.divide(grad, scratch, out=grad)
        xp.multiply(grad, k.rate, out=grad)
        xp.multiply(theta, k.decay, out=scratch)
        xp.add(grad, scratch, out=grad)
        average_step(xp, theta, grad, slots, k, scratch)

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace y by x."""
        theta[...] = slots["x"]
