"""The learning rate stands still, then falls in the last part of the training."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.schedules.whole_steps import whole_steps
from tunelab.space import Float, FromTrials


class WSD(Schedule):
    """Warm-up, stable, decay: 1, then towards `final` over the last part.

        q = max(t - (total - d), 0) / d,    d = ceil(decay * total) steps
        factor(t) = 1 - (1 - final) * q             linear
        factor(t) = 1 - (1 - final) * sqrt(q)       1-sqrt

    1 at the first step; at the last, q = 1 - 1 / d: `final` itself would be reached one step later. The warm-up is the
    experiment's own `warmup`, which comes before every schedule; `decay` is a part of the steps after it. PyTorch and
    optax have none. With the shape "linear" it is also called a trapezoid.

    Attributes:
        decay: the last part of the training, in which the learning rate falls.
        final: the factor after the last step.
        shape: along which line it falls.

    >>> hyper, steps = Hyper(decay=np.array([[0.5]]), final=np.array([[0.0]])), np.arange(8).reshape(8, 1, 1)
    >>> WSD(decay=0.5, shape="linear").factor(hyper, steps, np.array([[8]])).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    >>> WSD(decay=0.5).factor(hyper, steps, np.array([[8]])).ravel().round(4).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.2929, 0.134]

    Reference: Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations, NeurIPS 2024,
    arXiv:2405.18392, which prefers 1-sqrt over the last 10 to 20 %.
    """

    decay: Annotated[float, Field(gt=0, le=1), Float(0.05, 0.5), FromTrials(25)] = 0.2
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    shape: Literal["linear", "1-sqrt"] = "1-sqrt"

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return 1 - (1 - final) * q, or with the root of q."""
        length = whole_steps(hyper.decay, total)
        part = np.maximum(step - (total - length), 0) / length
        return 1 - (1 - hyper.final) * (np.sqrt(part) if self.shape == "1-sqrt" else part)
