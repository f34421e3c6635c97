"""Mean squared error."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tunelab.contracts import Array, Loss, Tape, Targets
from tunelab.models.sums import sum_features


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The squared error, averaged over the values of a row.

        loss = sum over k of (out[k] - target[k])^2 / K
        gradient = 2 (out - target) / K

    Shapes: out (P, B, K); targets (P, B, K), or in evaluation anything that broadcasts to it. Units: the targets',
    squared. Losses are not averaged over rows: averaged, they are PyTorch's `mse_loss`.

    >>> import numpy as np
    >>> out, target = np.array([[[1.0, 2.0]]]), np.array([[[0.0, 5.0]]])
    >>> float(MeanSquaredError().evaluate(np, out, target)["loss"][0])
    5.0
    """

    targets: ClassVar[Targets] = "values"

    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the losses (P, B) and their gradients (P, B, K)."""
        error = xp.subtract(out, target, out=tape.empty("error", out.shape))
        squares = xp.square(error, out=tape.empty("squares", out.shape))
        total = sum_features(xp, squares, out=tape.empty("total", (*out.shape[:2], 1)))
        xp.multiply(error, 2 / out.shape[2], out=error)
        return total[:, :, 0] / out.shape[2], error

    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return the summed loss, (P,)."""
        totals = sum_features(xp, xp.square(out - target))
        return {"loss": xp.sum(totals[:, :, 0], axis=-1) / out.shape[2]}
