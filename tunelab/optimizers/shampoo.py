"""Shampoo: gradients divided by the roots of what their rows, and their columns, have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class Shampoo(Rule):
    """A step against the mean of recent gradients, with a fourth root of the sum of their squares on either side.

        L_t = L_(t-1) + G_t G_t^T,    R_t = R_(t-1) + G_t^T G_t,    L_0 = R_0 = eps * I
        M_t = beta1 * M_(t-1) + (1 - beta1) * G_t,    M_hat = M_t / (1 - beta1^t)
        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - lr_t * L^(-1/4) M_hat R^(-1/4)

    for a matrix; for a vector L^(-1/2) m_hat, which is AdaGrad with all of its matrix. The roots are renewed at each of
    the first `every` steps, while a new direction may find sums of next to nothing, then at every `every`-th. A tensor
    of more axes is a matrix of its first axis and all others, and an axis longer than `longest` keeps the
    diagonal of its sum alone (the paper's diagonal variant). At beta1 = 0 this is the paper's Algorithm 1, and
    pytorch_optimizer's `Shampoo` without momentum; the momentum of the latter feeds on what it has divided. The
    Distributed Shampoo of AlgoPerf is another rule: it forgets, and borrows its length from Adam. The matrix work of
    all members is stacked; it allocates, and eigenvectors are found for those members alone whose turn it is.

    Attributes:
        lr: learning rate, in parameter: the length of the first step in every direction of a matrix.
        beta1: the part of the mean that is kept; searched as 1 - beta1 on a log axis.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.
        eps: what the sums begin with, in squared gradient.
        every: steps from one pair of roots to the next.
        longest: the longest axis that has a matrix.

    >>> Shampoo(longest=64).slot_shapes((784, 64))["left"], Shampoo().slot_shapes((64, 10))["right"]
    ((784,), (10, 10))

    Reference: Gupta, Koren & Singer, Shampoo: Preconditioned Stochastic Tensor Optimization, ICML 2018,
    arXiv:1802.09568. Ranges: of lr as in `AdaGrad`, which this is in another basis; of the others, AlgoPerf's baselines
    (arXiv:2306.07179), whose lr (1e-4 to 1e-2) is for steps as long as Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.1
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.85, 0.99, complement_log=True)] = 0.9
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01
    eps: PositiveFloat = 1e-6
    every: PositiveInt = 10
    longest: PositiveInt = 1024
    slots: ClassVar[tuple[str, ...]] = ("m", "left", "right", "left_root", "right_root")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return a mean, and a sum and its root for either side; a vector has one side."""
        rows, columns = matrix_shape(shape)
        sides = {"left": rows} if len(shape) < 2 else {"left": rows, "right": columns}
        found = {"m": shape}
        for name, length in sides.items():
            found[name] = found[f"{name}_root"] = (length,) if length > self.longest else (length, length)
        return found

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the rate with the correction of the mean folded in, what stays, and whether to renew the roots."""
        return {
            "beta1": hyper.beta1,
            "rate": hyper.lr * (1 - hyper.beta1) / (1 - hyper.beta1**step),
            "keep": 1 - hyper.lr * hyper.weight_decay,
            "eps": hyper.eps,
            "due": np.where((step <= self.every) | (step % self.every == 0), 1.0, 0.0),
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, shape = slots["m"], (len(theta), *matrix_shape(theta.shape[1:]))
        due, eps = k.due.reshape(-1) > 0, k.eps.reshape(-1, 1)
        xp.multiply(m, k.beta1, out=m)
        xp.add(m, grad, out=m)
        flat = grad.reshape(shape)
        fourth = "right" in slots
        add_gram(xp, slots["left"], flat)
        renew_roots(xp, slots["left"], slots["left_root"], due, eps, fourth)
        step = multiply_left(xp, slots["left_root"], m.reshape(shape))
        if "right" in slots:
            add_gram(xp, slots["right"], flat.swapaxes(1, 2))
            renew_roots(xp, slots["right"], slots["right_root"], due, eps, fourth)
            step = multiply_left(xp, slots["right_root"], step.swapaxes(1, 2)).swapaxes(1, 2)
        xp.multiply(theta, k.keep, out=theta)
        xp.multiply(step.reshape(theta.shape), k.rate, out=scratch)
        xp.subtract(theta, scratch, out=theta)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how a tensor is laid out as a matrix: its first axis, and all others."""
    rows = shape[0] if shape else 1
    return rows, int(np.prod(shape[1:], dtype=int))


def add_gram(xp: Any, total: Array, matrices: Array) -> None:
    """Add G G^T of matrices `(P, a, b)` to totals `(P, a, a)`, or its diagonal to `(P, a)`."""
    added = xp.square(matrices).sum(2) if total.ndim == 2 else xp.matmul(matrices, matrices.swapaxes(1, 2))
    xp.add(total, added, out=total)


def renew_roots(xp: Any, total: Array, root: Array, due: Array, eps: Array, fourth: bool) -> None:
    """Set the root to the inverse square, or fourth, root of total + eps * I in the members that are due, `(P,)`."""
    if not due.any():
        return
    if total.ndim == 2:
        root[due] = 1 / _root(xp, total[due] + eps[due], fourth)
        return
    values, vectors = eigh(xp, total[due])
    values = xp.maximum(values, 0 * eps[due]) + eps[due]  # rounding may take the least of them below zero
    root[due] = xp.matmul(vectors / _root(xp, values, fourth)[:, None, :], vectors.swapaxes(1, 2))


def eigh(xp: Any, matrices: Array) -> tuple[Array, Array]:
    """Return eigenvalues `(P, a)`, smallest first, and eigenvectors of symmetric matrices `(P, a, a)`.

    A member that is diverging may not raise beside others: what is not finite counts as zero.

    >>> import numpy as np
    >>> eigh(np, np.array([[[2.0, 0.0], [0.0, 1.0]], [[np.nan, 0.0], [0.0, 1.0]]]))[0].tolist()
    [[1.0, 2.0], [0.0, 1.0]]
    """
    values, vectors = xp.linalg.eigh(xp.where(xp.isfinite(matrices), matrices, 0.0))
    return values, vectors


def _root(xp: Any, values: Array, fourth: bool) -> Array:
    return xp.sqrt(xp.sqrt(values)) if fourth else xp.sqrt(values)


def multiply_left(xp: Any, root: Array, matrices: Array) -> Array:
    """Return root @ matrices, or what a diagonal root makes of them."""
    return root[:, :, None] * matrices if root.ndim == 2 else xp.matmul(root, matrices)
