"""Rprop: each parameter has a step of its own, and of the gradient only the sign counts."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.space import Float


class Rprop(Rule):
    """A step that grows while the gradient keeps its sign and shrinks, for once without a move, when it turns.

        turn_t = sign(g_t) * sign_(t-1)
        size_t = size_(t-1) * (grow if turn_t > 0, shrink if turn_t < 0, else 1), from smallest to largest;  size_1 = 1
        sign_t = sign(g_t), but 0 where turn_t < 0;    sign_0 = 0
        theta_t = theta_(t-1) - lr_t * size_t * sign_t

    PyTorch's `Rprop` while the learning rate stands still: its `etas` are (shrink, grow), its `step_sizes`
    (smallest * lr, largest * lr), 1e-6 and 50 at lr = 0.01, and so optax's `rprop`. Both read the learning rate at the
    first step alone, so that no schedule reaches them; here sizes are in units of lr, and a schedule scales all steps.
    After a turn the parameter stays where it is and the sign is forgotten: "iRprop-". The paper takes the last step
    back.

    Every step sees the whole training part, whatever the experiment's batch size, as the paper has it: between small
    batches signs turn by chance and every size soon is the smallest. PyTorch leaves that to its users.

    Attributes:
        lr: learning rate, in parameter: the length of every parameter's first step.
        shrink: what a step is multiplied by when the sign turns.
        grow: what a step is multiplied by while the sign stays.
        smallest: the lower bound of all steps, in units of lr.
        largest: the upper bound, in units of lr.

    >>> Rprop().full_batch, Rprop().grow
    (True, 1.2)

    Reference: Riedmiller & Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm,
    IEEE International Conference on Neural Networks, 1993, which advises 0.5 and 1.2 everywhere; as changed by Igel &
    Hüsken, Improving the Rprop Learning Algorithm, NC 2000. The range of lr is ours.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 1e-1, log=True)] = 0.01
    shrink: Annotated[float, Field(gt=0, lt=1)] = 0.5
    grow: Annotated[float, Field(gt=1)] = 1.2
    smallest: Annotated[float, Field(gt=0, le=1)] = 1e-4
    largest: Annotated[float, Field(ge=1)] = 5e3
    slots: ClassVar[tuple[str, ...]] = ("sign", "size")
    full_batch: ClassVar[bool] = True

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the bounds, at the first step from 1 on, and the parabola through shrink, 1 and grow."""
        return {
            "lr": hyper.lr,
            "slope": (hyper.grow - hyper.shrink) / 2,
            "bend": (hyper.grow + hyper.shrink) / 2 - 1,
            "one": np.ones_like(hyper.grow),
            "smallest": np.where(step > 1, hyper.smallest, 1.0),
            "largest": hyper.largest,
        }

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        sign, size = slots["sign"], slots["size"]
        xp.sign(grad, out=grad)
        xp.multiply(sign, grad, out=scratch)  # turn
        xp.multiply(scratch, k.bend, out=sign)
        xp.add(sign, k.slope, out=sign)
        xp.multiply(sign, scratch, out=sign)
        xp.add(sign, k.one, out=sign)
        xp.multiply(size, sign, out=size)
        xp.maximum(size, k.smallest, out=size)
        xp.minimum(size, k.largest, out=size)
        xp.add(scratch, k.one, out=scratch)  # 0 after a turn, else 1 or 2
        xp.minimum(scratch, k.one, out=scratch)
        xp.multiply(grad, scratch, out=sign)
        xp.multiply(sign, size, out=grad)
        xp.multiply(grad, k.lr, out=grad)
        xp.subtract(theta, grad, out=theta)
