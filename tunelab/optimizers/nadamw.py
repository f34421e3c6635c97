"""NAdam with decoupled weight decay."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.nadam import nadam_scalars, nadam_step
from tunelab.space import Float


class NAdamW(Rule):
    """NAdam, after the parameters have shrunk by a part that no gradient divides.

        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - lr_t * (step of `NAdam`)

    PyTorch's `NAdam(decoupled_weight_decay=True)`. optax's `nadamw`, and the rule of that name in AlgoPerf, have no mu,
    as `NAdam` says.

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps, and what mu ends at; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares.
        eps: keeps the division finite, in gradient.
        momentum_decay: how fast mu rises from beta1 / 2 to beta1: half of the way takes 17 / momentum_decay steps.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.

    >>> NAdamW.ranges()["beta1"]
    Float(0.9, 0.996, complement_log=True)

    Reference: Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop; Loshchilov & Hutter, Decoupled
    Weight Decay Regularization, ICLR 2019, arXiv:1711.05101. The ranges of beta1 and weight_decay are AlgoPerf's, the
    others Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.002
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.996, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    momentum_decay: NonNegativeFloat = 0.004
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the scalars of NAdam, and the part of the parameters that stays."""
        return nadam_scalars(hyper, step) | {"keep": 1 - hyper.lr * hyper.weight_decay}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        xp.multiply(theta, k.keep, out=theta)
        nadam_step(xp, theta, grad, slots["m"], slots["v"], k, scratch)
