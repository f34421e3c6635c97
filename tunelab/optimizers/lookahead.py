"""Slow weights follow fast ones."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from tunelab.contracts import Array, Hyper, Optimizer, Step, Wrapper
from tunelab.optimizers.adam import Adam
from tunelab.space import Float


class Lookahead(Wrapper):
    """After every few inner steps, slow weights go a part of the way to the fast ones, which start again from there.

        phi_0 = theta_0
        every `every` steps:  phi <- phi + alpha * (theta - phi),  theta <- phi

    The parameters that train are theta, the fast ones; those that are evaluated and saved are phi, which the paper
    returns. The inner state (a momentum) stays as it is, as in the paper's experiments. optax's `lookahead` and
    pytorch_optimizer's `Lookahead`; the latter is evaluated at theta unless told otherwise.

    Attributes:
        inner: what takes the fast steps.
        alpha: the part of the way.
        every: inner steps between two slow ones; the paper's k.

    >>> Lookahead(alpha=0.8).levels()[1]
    Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)

    Reference: Zhang, Lucas, Hinton & Ba, Lookahead Optimizer: k steps forward, 1 step back, NeurIPS 2019,
    arXiv:1907.08610.
    """

    inner: Annotated[Optimizer, Adam.search()] = Adam()
    alpha: Annotated[float, Field(gt=0, le=1), Float(0.2, 0.9)] = 0.5
    every: PositiveInt = 5
    slots: ClassVar[tuple[str, ...]] = ("slow",)
    copies: ClassVar[tuple[str, ...]] = ("slow",)
    averages: ClassVar[bool] = True

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return alpha, and whether this step ends with a slow one."""
        return {"alpha": hyper.alpha, "due": np.equal(step % self.every, 0)}

    def around(
        self, step: Step, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Take the inner step, and the slow one where it is due."""
        step.inner()
        due, slow = k.due > 0, slots["slow"]
        if due.any():
            xp.subtract(theta, slow, out=scratch)
            xp.multiply(scratch, k.alpha, out=scratch)
            xp.add(slow, scratch, out=scratch)
            slow[...] = xp.where(due, scratch, slow)
            theta[...] = xp.where(due, scratch, theta)

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace theta by phi."""
        theta[...] = slots["slow"]
