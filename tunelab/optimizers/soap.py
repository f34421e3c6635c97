"""SOAP: Adam in the basis in which Shampoo divides."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.shampoo import eigh, matrix_shape
from tunelab.space import Float


class SOAP(Rule):
    """Adam in a basis that turns with the gradients: the eigenvectors of what their rows, and their columns, share.

        M_t = beta1 * M_(t-1) + (1 - beta1) * G_t,    V_t = beta2 * V_(t-1) + (1 - beta2) * (P^T G_t Q)^2
        rate_t = lr_t * sqrt(1 - beta2^(t-1)) / (1 - beta1^(t-1))
        theta_t = (1 - lr_t * weight_decay) * (theta_(t-1) - rate_t * P (P^T M_t Q / (sqrt(V_t) + eps)) Q^T)
        L_t = beta2 * L_(t-1) + (1 - beta2) * G_t G_t^T,    R_t = beta2 * R_(t-1) + (1 - beta2) * G_t^T G_t

    for a matrix. P and Q are the eigenvectors of L and R after the first step, which moves nothing and takes nothing
    into M and V; every `every` steps one round of power iteration follows them: P becomes the orthogonal factor of L P,
    its columns in the order of their eigenvalues, largest first, and V is put in that order. The P of an axis longer
    than `longest`, and both of a vector, are the identity. A tensor of more axes is a matrix of its first axis and all
    others. This is pytorch_optimizer's `SOAP` and the authors' code at their defaults, but that it factors in the dtype
    of the parameters, not in float32. eps is added before V is corrected, as TensorFlow's Adam has it. The matrix work
    of all members is stacked; it allocates, and bases are renewed for those members alone whose turn it is.

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        beta1: the part of the mean that is kept; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares, and for L and R.
        eps: keeps the division finite, in gradient.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.
        every: steps from one pair of bases to the next.
        longest: the longest axis that has a basis.

    >>> list(SOAP().slot_shapes((64, 10))), list(SOAP().slot_shapes((10,)))
    (['m', 'v', 'left', 'left_basis', 'right', 'right_basis'], ['m', 'v'])

    Reference: Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, ICLR 2025, arXiv:2409.11321. Ranges:
    AlgoPerf's baselines for Shampoo (arXiv:2306.07179).
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 1e-2, log=True)] = 0.003
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.85, 0.99, complement_log=True)] = 0.95
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    eps: PositiveFloat = 1e-8
    weight_decay: Annotated[NonNegativeFloat, Float(5e-3, 1.0, log=True)] = 0.01
    every: PositiveInt = 10
    longest: PositiveInt = 1024
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "left", "left_basis", "right", "right_basis")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return a mean and squares, and a matrix and its basis for either side of a matrix."""
        found = {"m": shape, "v": shape}
        if len(shape) > 1:
            for name, length in zip(("left", "right"), matrix_shape(shape), strict=True):
                if length <= self.longest:
                    found[name] = found[f"{name}_basis"] = (length, length)
        return found

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the weights, the rate with both corrections, and whether a step is the first or renews the bases.

        The first step counts for nothing: the corrections are those of one step less.
        """
        taken = np.maximum(step - 1, 1)
        first, root = step == 1, np.sqrt(1 - hyper.beta2**taken)
        return {
            "beta1": np.where(first, 0.0, hyper.beta1),
            "fresh1": np.where(first, 0.0, 1 - hyper.beta1),
            "keep2": hyper.beta2,
            "fresh2": 1 - hyper.beta2,
            "new2": np.where(first, 0.0, 1 - hyper.beta2),
            "rate": np.where(first, 0.0, hyper.lr * root / (1 - hyper.beta1**taken)),
            "eps": hyper.eps,
            "keep": np.where(first, 1.0, 1 - hyper.lr * hyper.weight_decay),
            "first": np.where(first, 1.0, 0.0),
            "due": np.where(~first & ((step - 1) % self.every == 0), 1.0, 0.0),
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        shape = (len(theta), *matrix_shape(theta.shape[1:]))
        m, v, flat = slots["m"], slots["v"], grad.reshape(shape)
        xp.multiply(m, k.beta1, out=m)
        xp.multiply(grad, k.fresh1, out=scratch)
        xp.add(m, scratch, out=m)
        xp.multiply(v, k.keep2, out=v)
        xp.add(v, k.new2 * xp.square(_into(xp, flat, slots).reshape(theta.shape)), out=v)
        xp.sqrt(v, out=scratch)
        xp.add(scratch, k.eps, out=scratch)
        step = _into(xp, m.reshape(shape), slots).reshape(theta.shape) / scratch
        xp.multiply(_out_of(xp, step.reshape(shape), slots).reshape(theta.shape), k.rate, out=scratch)
        xp.subtract(theta, scratch, out=theta)
        xp.multiply(theta, k.keep, out=theta)
        self._turn(xp, flat, v, slots, k)

    def _turn(self, xp: Any, grad: Array, v: Array, slots: Mapping[str, Array], k: Hyper) -> None:
        """Take the gradient into L and R, and renew the bases of the members whose turn it is."""
        first, due = k.first.reshape(-1) > 0, k.due.reshape(-1) > 0
        for name, axis, matrix in (("left", 1, grad), ("right", 2, grad.swapaxes(1, 2))):
            if name not in slots:
                continue
            total, basis = slots[name], slots[f"{name}_basis"]
            xp.multiply(total, k.keep2, out=total)
            xp.add(total, k.fresh2 * xp.matmul(matrix, matrix.swapaxes(1, 2)), out=total)
            if first.any():
                basis[first] = xp.flip(eigh(xp, total[first])[1], (2,))
            if due.any():
                basis[due], order = followed(xp, total[due], basis[due])
                squares = v.reshape(len(v), *grad.shape[1:])
                squares[due] = _ordered(xp, squares[due], order, axis)


def followed(xp: Any, matrices: Array, bases: Array) -> tuple[Array, Array]:
    """Return bases `(P, a, a)` after one round of power iteration, and the order of the old columns in them."""
    product = xp.matmul(matrices, bases)
    values = (bases * product).sum(1)
    order = xp.argsort(-values, axis=1)
    return xp.linalg.qr(_ordered(xp, product, order, 2))[0], order


def _ordered(xp: Any, matrices: Array, order: Array, axis: int) -> Array:
    """Return matrices `(P, a, b)` with their rows (axis 1) or columns (axis 2) in each member's order."""
    members = xp.arange(len(matrices))[:, None]
    return matrices[members, order] if axis == 1 else matrices.swapaxes(1, 2)[members, order].swapaxes(1, 2)


def _into(xp: Any, matrices: Array, slots: Mapping[str, Array]) -> Array:
    """Return P^T X Q."""
    if "left" in slots:
        matrices = xp.matmul(slots["left_basis"].swapaxes(1, 2), matrices)
    return xp.matmul(matrices, slots["right_basis"]) if "right" in slots else matrices


def _out_of(xp: Any, matrices: Array, slots: Mapping[str, Array]) -> Array:
    """Return P X Q^T."""
    if "left" in slots:
        matrices = xp.matmul(slots["left_basis"], matrices)
    return xp.matmul(matrices, slots["right_basis"].swapaxes(1, 2)) if "right" in slots else matrices
