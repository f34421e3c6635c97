"""LAMB: Adam whose steps are measured by the length of the tensor that they change."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.adam import adam_direction, adam_scalars
from tunelab.optimizers.norms import trust_ratio
from tunelab.space import Float


class LAMB(Rule):
    """The direction of Adam with its weight decay, as long as a fixed part of the tensor itself.

        u_t = m_hat / (sqrt(v_hat) + eps) + weight_decay * theta_(t-1)
        r_t = |theta_(t-1)| / |u_t|,    r_t = 1 where either length is zero
        theta_t = theta_(t-1) - lr_t * r_t * u_t

    with the hats of `Adam` and the lengths of one tensor of one member (a layer's weight, a layer's bias). The paper's
    Algorithm 2 with phi(z) = z, and optax's `lamb`. The first version of the paper, and pytorch_optimizer's `Lamb`
    unless told otherwise, correct no bias and clip |theta| at 10: up to 2e-1 away.

    Attributes:
        lr: learning rate, in parts of a tensor's length: a step is lr times as long as the tensor.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares.
        eps: keeps the division finite, in gradient.
        weight_decay: how much of the parameters is added to the direction before it is measured.

    >>> LAMB(weight_decay=0.1).sees
    'tensors'

    Reference: You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, ICLR 2020,
    arXiv:1904.00962. Ranges: AlgoPerf's baselines (arXiv:2306.07179).
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 1e-2, log=True)] = 0.001
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.7, 0.95, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: PositiveFloat = 1e-6
    weight_decay: Annotated[NonNegativeFloat, Float(1e-3, 1.0, log=True)] = 0.01
    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the scalars of Adam at a learning rate of one, the learning rate and the decay."""
        unit = SimpleNamespace(lr=1.0, beta1=hyper.beta1, beta2=hyper.beta2, eps=hyper.eps)
        return adam_scalars(unit, step) | {"lr": hyper.lr, "weight_decay": hyper.weight_decay}

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        adam_direction(xp, grad, slots["m"], slots["v"], k)
        xp.multiply(theta, k.weight_decay, out=scratch)
        xp.add(grad, scratch, out=grad)
        ratio = trust_ratio(xp, theta, grad, scratch)
        xp.multiply(grad, k.lr * ratio, out=grad)
        xp.subtract(theta, grad, out=theta)
