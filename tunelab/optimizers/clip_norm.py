"""The gradient is scaled down where it is long."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PositiveFloat

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.adam import Adam
from tunelab.optimizers.norms import norm
from tunelab.space import Float


class ClipNorm(Wrapper):
    """The gradient of all parameters of a member together is scaled down to a Euclidean norm, before the inner step.

        g <- g * min(1, norm / (|g| + 1e-6))

    `torch.nn.utils.clip_grad_norm_`; optax's `clip_by_global_norm` does without the 1e-6. The norm is taken inside a
    member only. The experiment's own `clip_norm` puts this wrapper around each rule.

    Attributes:
        inner: what takes the step.
        norm: the largest norm, in gradient; the 90th percentile of those observed is a good start.

    >>> ClipNorm(norm=0.5, inner=Adam(lr=0.01)).rule
    Adam(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-08)

    Reference: Pascanu, Mikolov & Bengio, On the difficulty of training recurrent neural networks, ICML 2013,
    arXiv:1211.5063.
    """

    inner: Annotated[Optimizer, Adam.search()] = Adam()
    norm: Annotated[PositiveFloat, Float(0.1, 10.0, log=True)] = 1.0

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Scale the gradient, then take the inner step."""
        xp.multiply(grad, xp.clip(k.norm / (norm(xp, grad, scratch) + 1e-6), None, 1.0), out=grad)
        step.inner()
