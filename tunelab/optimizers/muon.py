"""Muon: momentum whose matrices are made orthogonal; AdamW for everything else."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.adam import adam_scalars, adam_step
from tunelab.optimizers.norms import norm
from tunelab.space import Float

QUINTIC = (3.4445, -4.7750, 2.0315)
"""a, b and c of X <- a X + (b A + c A^2) X, A = X X^T: steep at zero, and within 0.7 to 1.2 after five rounds."""

ROUNDS = 5


class Muon(Rule):
    """A step of the same length in every direction of a matrix: along the orthogonal matrix nearest to its momentum.

        m_t = momentum * m_(t-1) + (1 - momentum) * g_t
        o_t = quintic((1 - momentum) * g_t + momentum * m_t)
        theta_t = (1 - lr_t * weight_decay) * theta_(t-1) - lr_t * sqrt(max(1, outputs / inputs)) * o_t

    for tensors of two axes, laid out `(inputs, outputs)`; `quintic` divides a matrix by its length and sends its
    singular values to about 1 in five rounds of X <- a X + (b A + c A^2) X, A = X X^T. All other tensors (biases,
    gains) take steps of `AdamW` with `adam_lr`, `adam_beta1`, `adam_beta2` and `adam_eps`, and the same weight decay; a
    schedule multiplies both rates. This is PyTorch's `Muon` beside its `AdamW`, but that PyTorch lays matrices out as
    `(outputs, inputs)` and iterates in bfloat16, which ends 1e-3 to 2e-2 away; here it is the dtype of the parameters.
    Its authors keep the first and the last layer out; here every matrix is in. The matrix work of all members is one
    stacked product; it allocates.

    Attributes:
        lr: learning rate of matrices, in parameter: the length of a step in each direction.
        momentum: the part of the mean that is kept; searched as 1 - momentum on a log axis.
        weight_decay: the part of a parameter that goes at each step, per unit of learning rate.
        adam_lr: learning rate of all other tensors, in parameter.
        adam_beta1: the weight of each of their gradients relative to the next one in the mean.
        adam_beta2: the same for the squares.
        adam_eps: keeps their division finite, in gradient.

    >>> list(Muon().slot_shapes((64, 10))), list(Muon().slot_shapes((10,)))
    (['m'], ['m', 'v'])

    Reference: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    kellerjordan.github.io/posts/muon; Liu et al., arXiv:2502.16982. Ranges: around the values in PyTorch's
    documentation; of adam_lr as in `AdamW`.
    """

    lr: Annotated[PositiveFloat, Float(1e-3, 1e-1, log=True)] = 0.02
    momentum: Annotated[float, Field(ge=0, lt=1), Float(0.8, 0.98, complement_log=True)] = 0.95
    weight_decay: NonNegativeFloat = 0.1
    adam_lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.001
    adam_beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    adam_eps: PositiveFloat = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "tensors"
    scheduled: ClassVar[tuple[str, ...]] = ("lr", "adam_lr")

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return one mean for a matrix, and a mean and squares for any other tensor."""
        return {"m": shape} if len(shape) == 2 else {"m": shape, "v": shape}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the scalars of Adam for the tensors that are its, and the rate, decay and mean of matrices."""
        adam = SimpleNamespace(lr=hyper.adam_lr, beta1=hyper.adam_beta1, beta2=hyper.adam_beta2, eps=hyper.adam_eps)
        return adam_scalars(adam, step) | {
            "adam_keep": 1 - hyper.adam_lr * hyper.weight_decay,
            "keep": 1 - hyper.lr * hyper.weight_decay,
            "lr": hyper.lr,
            "momentum": hyper.momentum,
            "fresh": 1 - hyper.momentum,
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        if theta.ndim == 3:
            self._matrix_step(xp, theta, grad, slots["m"], k, scratch)
        else:
            xp.multiply(theta, k.adam_keep, out=theta)
            adam_step(xp, theta, grad, slots["m"], slots["v"], k)

    def _matrix_step(self, xp: Any, theta: Array, grad: Array, m: Array, k: Hyper, scratch: Array) -> None:
        inputs, outputs = theta.shape[1:]
        xp.multiply(grad, k.fresh, out=grad)
        xp.multiply(m, k.momentum, out=m)
        xp.add(m, grad, out=m)
        xp.multiply(m, k.momentum, out=scratch)
        xp.add(grad, scratch, out=grad)
        step = orthogonal(xp, grad, scratch) * (k.lr * math.sqrt(max(1.0, outputs / inputs)))
        xp.multiply(theta, k.keep, out=theta)
        xp.subtract(theta, step, out=theta)


def orthogonal(xp: Any, matrices: Array, scratch: Array) -> Array:
    """Return matrices `(P, a, b)` with the same singular vectors and singular values of about 1.

    >>> import numpy as np
    >>> tall = np.random.default_rng(0).normal(size=(1, 8, 3))
    >>> values = np.linalg.svd(orthogonal(np, tall, np.empty_like(tall)), compute_uv=False)
    >>> bool(((0.6 < values) & (values < 1.3)).all())
    True
    """
    a, b, c = QUINTIC
    length = norm(xp, matrices, scratch)
    x = matrices / xp.where(length > 1e-7, length, 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.swapaxes(1, 2) if tall else x
    for _ in range(ROUNDS):
        gram = xp.matmul(x, x.swapaxes(1, 2))
        x = a * x + xp.matmul(b * gram + c * xp.matmul(gram, gram), x)
    return x.swapaxes(1, 2) if tall else x
