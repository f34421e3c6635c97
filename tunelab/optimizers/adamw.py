"""Adam with decoupled weight decay."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule, Sums
from tunelab.optimizers.adam import adam_scalars, adam_step
from tunelab.space import Float


class AdamW(Rule):
    """Adam, after the parameters have shrunk by a part that no gradient divides.

        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - lr_t * m_hat / (sqrt(v_hat) + eps)

    with the hats of `Adam`. The decay never enters m and v: decay that is added to the gradient, as the experiment's
    own coupled decay is, gets divided like the gradient and hardly shrinks what has large ones. PyTorch's `AdamW`;
    optax's `adamw` is the same with a default decay of 1e-4. The paper multiplies the decay by the schedule's factor
    only, so its lambda is lr * weight_decay here, lr being the rate before the schedule.

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares.
        eps: keeps the division finite, in gradient.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.

    >>> AdamW(weight_decay=0.1).slots
    ('m', 'v')

    Reference: Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019, arXiv:1711.05101.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.001
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01
    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    sums: ClassVar[Sums] = {"m": ("gradient", "beta1"), "v": ("square", "beta2")}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the scalars of Adam, and the part of the parameters that stays."""
        return adam_scalars(hyper, step) | {"keep": 1 - hyper.lr * hyper.weight_decay}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(theta, k.keep, out=theta)
        adam_step(xp, theta, grad, slots["m"], slots["v"], k)
