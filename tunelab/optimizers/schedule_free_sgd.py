"""Schedule-Free SGD: trained at one point, evaluated at an average."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class ScheduleFreeSGD(Rule):
    """Plain steps of a point z, the average x of where it has been, and gradients at y between the two.

        z_t = z_(t-1) - lr_t * (g_t + weight_decay * y_(t-1)),    g_t taken at y_(t-1)
        x_t = (1 - c_t) * x_(t-1) + c_t * z_t,                    c_t = lr_t^2 / (lr_1^2 + ... + lr_t^2)
        y_t = (1 - momentum) * z_t + momentum * x_t,              x_0 = y_0 = z_0 = theta_0

    The parameters that train are y; those that are evaluated and saved are x. It wants no schedule but a warm-up: the
    average does what a falling rate would. This is the paper's Algorithm 1, with the rate of each step in its weight.
    schedulefree's `SGDScheduleFree` has the largest rate so far there, which is the same unless a schedule lowers it;
    optax's `schedule_free` counts the steps of a warm-up otherwise (1e-3 to 7e-3 away). The sum of the weights is a
    slot of one number.

    Attributes:
        lr: learning rate, in parameter per gradient; 10 to 50 times what `SGD` wants on a schedule.
        momentum: how far y is from z, where the steps are taken, towards x, the average (beta in the paper); searched
            as 1 - momentum on a log axis.
        weight_decay: the part of y that is added to the gradient.

    >>> ScheduleFreeSGD.averages
    True

    Reference: Defazio et al., The Road Less Scheduled, NeurIPS 2024, arXiv:2405.15682. Ranges: ten times that of
    `SGD`'s lr, and the values of momentum that the authors' README names (facebookresearch/schedule_free).
    """

    lr: Annotated[PositiveFloat, Float(1e-2, 30.0, log=True)] = 1.0
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.98, complement_log=True)] = 0.9
    weight_decay: NonNegativeFloat = 0.0
    slots: ClassVar[tuple[str, ...]] = ("x", "z", "weights")
    copies: ClassVar[tuple[str, ...]] = ("x", "z")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "whole"
    averages: ClassVar[bool] = True

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of both points, and one number for the sum of the weights."""
        return {"x": shape, "z": shape, "weights": (1,)}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the fields, the weight of this step's z in the average, and the part of it that makes y."""
        return dict(super().scalars(hyper, step)) | {"weight": hyper.lr**2, "ahead": 1 - hyper.momentum}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(theta, k.weight_decay, out=scratch)
        xp.add(grad, scratch, out=grad)
        xp.multiply(grad, k.lr, out=grad)
        average_step(xp, theta, grad, slots, k, scratch)

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace y by x."""
        theta[...] = slots["x"]


def average_step(xp: Any, theta: Array, change: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
    """Step z back by `change`, and move x and y, which is theta, after it; `k.ahead` is the part of z in y."""
    x, z, weights = slots["x"], slots["z"], slots["weights"]
    xp.add(weights, k.weight, out=weights)
    share = k.weight / xp.where(weights > 0, weights, 1.0)
    xp.subtract(z, change, out=z)
    xp.subtract(z, x, out=scratch)
    xp.multiply(scratch, share, out=scratch)
    xp.add(x, scratch, out=x)
    xp.subtract(z, x, out=scratch)
    xp.multiply(scratch, k.ahead, out=scratch)
    xp.add(x, scratch, out=theta)
