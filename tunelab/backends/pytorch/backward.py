"""The backward pass from a gradient that is known."""

from collections.abc import Sequence

import torch
from torch import Tensor

Gradients = Sequence[Tensor | None]
"""One for each leaf; None for one that had no share."""


def gradients(out: Tensor, delta: Tensor, leaves: Sequence[Tensor]) -> Gradients:
    """Return the gradients of leaves, from that of what was made of them: `torch.autograd.grad(out, leaves, delta)`.

    That function's own checks import sympy, 0.4 s in a process that otherwise has no use for it.

    >>> x = torch.ones(2, requires_grad=True)
    >>> gradients(3 * x, torch.tensor([1.0, 2.0]), [x])
    (tensor([3., 6.]),)
    """
    return _backward(out, delta, tuple(leaves), accumulate=False)


def accumulate(out: Tensor, delta: Tensor) -> None:
    """Add to the gradient of each leaf that has a share in `out`: `out.backward(delta)`.

    >>> x = torch.ones(2, requires_grad=True)
    >>> accumulate(3 * x, torch.tensor([1.0, 2.0]))
    >>> x.grad
    tensor([3., 6.])
    """
    _backward(out, delta, (), accumulate=True)


def _backward(out: Tensor, delta: Tensor, leaves: tuple[Tensor, ...], *, accumulate: bool) -> Gradients:
    engine = torch.autograd.Variable._execution_engine
    found: Gradients = engine.run_backward(
        (out,), (delta,), False, False, leaves, allow_unreachable=True, accumulate_grad=accumulate
    )
    return found
