"""The learning rate falls along half a cosine."""

from typing import Annotated

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule


class Cosine(Schedule):
    """Half a cosine from 1 towards `final`: slow, then fast, then slow.

        factor(t) = final + (1 - final) * (1 + cos(pi * t / total)) / 2

    1 at the first step; at the last, about final + (1 - final) * (pi / (2 * total))^2: `final` itself would be reached
    one step later. PyTorch's `CosineAnnealingLR(T_max=total, eta_min=final * lr)`, which rises again after T_max;
    optax's `cosine_decay_schedule(decay_steps=total, alpha=final)`. The paper restarts it; this does not.

    Attributes:
        final: the factor after the last step.

    >>> hyper, steps = Hyper(final=np.array([[0.0]])), np.arange(4).reshape(4, 1, 1)
    >>> Cosine().factor(hyper, steps, np.array([[4]])).ravel().round(4).tolist()
    [1.0, 0.8536, 0.5, 0.1464]

    Reference: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, arXiv:1608.03983.
    """

    final: Annotated[float, Field(ge=0, le=1)] = 0.0

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return final + (1 - final) * (1 + cos(pi * t / total)) / 2."""
        return hyper.final + (1 - hyper.final) * (1 + np.cos(np.pi * (step / total))) / 2
