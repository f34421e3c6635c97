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
        members, rows, classes = out.shape
        turned = _turned(out, tape.empty("turned", (classes, members * rows)))
        z = xp.subtract(out, _largest(xp, turned, out.shape), out=tape.empty("z", out.shape))
        flat, labelled = z.reshape(-1), _positions(xp, out, target)
        at_label = flat[labelled]
        xp.exp(z, out=z)
        total = sum_features(xp, z, out=tape.empty("total", (members, rows, 1)))
        xp.divide(z, total, out=z)
        flat[labelled] -= 1.0
        return xp.log(total[:, :, 0]) - at_label, z

    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return the summed loss and the number of rows classified right, (P,) each."""
        members, rows, classes = out.shape
        turned = _turned(out, xp.empty((classes, members * rows), dtype=out.dtype, device=out.device))
        z = out - _largest(xp, turned, out.shape)
        losses = xp.log(sum_features(xp, xp.exp(z))[:, :, 0]) - z.reshape(-1)[_positions(xp, out, target)]
        right = _first_largest(xp, turned).reshape(members, rows) == target
        return {"loss": xp.sum(losses, axis=-1), "accuracy": xp.sum(right, axis=-1, dtype=out.dtype)}


def _turned(out: Array, into: Array) -> Array:
    """Return the outputs with classes first, `(classes, P B)`.

    Reduced over classes that costs 1.5 ns a row, where the short last axis of `out` costs 60 (argmax 24).
    """
    into[...] = out.reshape(-1, out.shape[2]).T
    return into


def _largest(xp: Any, turned: Array, shape: tuple[int, int, int]) -> Array:
    """Return each row's largest output `(P, B, 1)`."""
    return xp.amax(turned, axis=0).reshape(*shape[:2], 1)


def _first_largest(xp: Any, turned: Array) -> Array:
    """Return the class of each row's largest output, the first of equals, `(P B,)`."""
    classes = len(turned)
    countdown = xp.arange(classes, 0, -1, dtype=turned.dtype, device=turned.device)
    return classes - xp.amax((turned == xp.amax(turned, axis=0)) * countdown[:, None], axis=0)


def _positions(xp: Any, out: Array, target: Array) -> Array:
    """Return where each row's label lies in `out.reshape(-1)`, `(P, B)`."""
    members, rows, classes = out.shape
    firsts = xp.arange(0, members * rows * classes, classes, device=out.device)
    return firsts.reshape(members, rows) + target
