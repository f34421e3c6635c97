"""Weight decay as a part of the gradient (L2)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import NonNegativeFloat

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.momentum import Momentum
from tunelab.space import Float


class CoupledDecay(Wrapper):
    """The parameters, times the decay, are added to the gradient before the inner step.

        g <- g + weight_decay * theta

    The gradient of the penalty weight_decay * |theta|^2 / 2: `weight_decay` of PyTorch's `SGD` and `Adam`, and optax's
    `add_decayed_weights` before the rule. A rule that divides by the size of its gradients divides the decay with them;
    `DecoupledDecay` does not. The experiment's own `weight_decay` puts this wrapper around each rule, after clipping.

    Attributes:
        inner: what takes the step.
        weight_decay: gradient per parameter.

    >>> CoupledDecay(weight_decay=1e-4).inner
    Momentum(lr=0.01, momentum=0.9, dampening=0.0)

    Reference: Krogh & Hertz, A Simple Weight Decay Can Improve Generalization, NIPS 1991. Range: AlgoPerf's.
    """

    inner: Annotated[Optimizer, Momentum.search()] = Momentum()
    weight_decay: Annotated[NonNegativeFloat, Float(1e-7, 1e-3, log=True)] = 1e-4

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Add the decay to the gradient, then take the inner step."""
        xp.add(grad, xp.multiply(theta, k.weight_decay, out=scratch), out=grad)
        step.inner()
