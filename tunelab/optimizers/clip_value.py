"""Every element of the gradient is kept within bounds."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.adam import Adam
from tunelab.space import Float


class ClipValue(Wrapper):
    """Every element of the gradient is moved into [-value, value], before the inner step.

        g <- min(max(g, -value), value)

    `torch.nn.utils.clip_grad_value_` and optax's `clip`. It turns the gradient; `ClipNorm` only shortens it.

    Attributes:
        inner: what takes the step.
        value: the bound, in gradient.

    >>> ClipValue(value=0.1).inner
    Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)

    Reference: a common recipe without an author; Mikolov, Statistical Language Models Based on Neural Networks, 2012.
    """

    inner: Annotated[Optimizer, Adam.search()] = Adam()
    value: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.1

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Clip the gradient, then take the inner step."""
        xp.minimum(grad, k.value, out=grad)
        xp.maximum(grad, -k.value, out=grad)
        step.inner()
