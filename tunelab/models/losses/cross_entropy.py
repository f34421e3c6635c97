"""Cross-entropy of a softmax."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tunelab.contracts import Array, Loss, Tape, Targets
from tunelab.models.sums import sum_features


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Minus the log-probability that softmax gives to the label.

        loss = log(sum over classes of exp(z)) - z[label],  z = out - max out
        gradient = softmax(out) - onehot(label)

    Shapes: out (P, B, classes); labels, from 0 to classes - 1, (P, B), or in evaluation anything that broadcasts to it.
    Units: nats. Losses are not averaged over rows: averaged, they are PyTorch's `cross_entropy`. Accuracy counts the
    rows whose largest output is the label's, the first of equals.

    >>> import numpy as np
    >>> out, label = np.log([[[0.7, 0.2, 0.1]]]), np.array([[0]])
    >>> found = CrossEntropy().evaluate(np, out, label)
    >>> round(float(np.exp(-found["loss"][0])), 6), float(found["accuracy"][0])
    (0.7, 1.0)
    """

    targets: ClassVar[Targets] = "classes"
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the losses (P, B) and their gradients (P, B, classes)."""
        z = tape.empty("z", out.shape)
        turned = tape.empty("turned", (out.shape[2], out.shape[0] * out.shape[1]))
        xp.subtract(out, _largest(xp, out, turned), out=z)
        flat, labelled = z.reshape(-1), _positions(xp, out, target)
        at_label = flat[labelled]
        xp.exp(z, out=z)
        total = sum_features(xp, z, tape, out=tape.empty("total", (*out.shape[:2], 1)))
        xp.divide(z, total, out=z)
        flat[labelled] -= 1.0
        return xp.log(total[:, :, 0]) - at_label, z

    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return the summed loss and the number of rows classified right, (P,) each."""
        turned = xp.empty((out.shape[2], out.shape[0] * out.shape[1]), dtype=out.dtype, device=out.device)
        z = out - _largest(xp, out, turned)
        losses = xp.log(xp.sum(xp.exp(z), axis=-1)) - z.reshape(-1)[_positions(xp, out, target)]
        right = xp.argmax(out, axis=-1) == target
        return {"loss": xp.sum(losses, axis=-1), "accuracy": xp.sum(right, axis=-1, dtype=out.dtype)}


def _largest(xp: Any, out: Array, turned: Array) -> Array:
    """Return each row's largest output `(P, B, 1)`; `turned` `(classes, P B)` is overwritten.

    A maximum along the short last axis costs 60 ns a row; across rows, after a copy that puts classes first, 10.
    """
    turned[...] = out.reshape(-1, out.shape[2]).T
    return xp.amax(turned, axis=0).reshape(*out.shape[:2], 1)


def _positions(xp: Any, out: Array, target: Array) -> Array:
    """Return where each row's label lies in `out.reshape(-1)`, `(P, B)`."""
    members, rows, classes = out.shape
    firsts = xp.arange(0, members * rows * classes, classes, device=out.device)
    return firsts.reshape(members, rows) + target
