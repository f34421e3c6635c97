"""Weight decay beside the step of any rule."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import NonNegativeFloat

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.adam import Adam
from tunelab.space import Float


class DecoupledDecay(Wrapper):
    """The parameters shrink by a part of the learning rate before the inner step, whose gradient knows nothing of it.

        theta <- (1 - lr_t * weight_decay) * theta

    Around `Adam` this is `AdamW` as PyTorch has it. The paper's decay follows the schedule but not the learning rate:
    its lambda is lr * weight_decay here.

    Attributes:
        inner: what takes the step; lr_t is that of its rule, warm-up and schedule included.
        weight_decay: the part that goes, per unit of learning rate.

    >>> DecoupledDecay(weight_decay=0.1).rule.lr
    0.001

    Reference: Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019, arXiv:1711.05101. Range: as of
    `AdamW`.
    """

    inner: Annotated[Optimizer, Adam.search()] = Adam()
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the part of the parameters that stays."""
        return {"keep": 1 - hyper.lr * hyper.weight_decay}

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Shrink the parameters, then take the inner step."""
        xp.multiply(theta, k.keep, out=theta)
        step.inner()
