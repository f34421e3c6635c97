"""AMSGrad: Adam whose steps never grow back."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from tunelab.contracts import Array, Hyper, Rule
from tunelab.optimizers.adam import adam_scalars
from tunelab.space import Float


class AMSGrad(Rule):
    """Adam, divided by the root of the largest mean square so far.

        w_t = max(w_(t-1), v_t),    w_0 = 0,    w_hat = w_t / c2
        theta_t = theta_(t-1) - lr_t * m_hat / (sqrt(w_hat) + eps)

    with m_hat, v and c2 of `Adam`. This is PyTorch's `Adam(amsgrad=True)`: the largest of the raw v, then corrected,
    so while c2 grows the steps still do. optax's `amsgrad` takes the largest of the corrected v_hat, and the paper
    corrects nothing: 1e-2 to 2e-1 away (relative).

    Attributes:
        lr: learning rate, in parameter: about the length of a step.
        beta1: the weight of each gradient relative to the next one in the mean, which reaches back about
            1 / (1 - beta1) steps; searched as 1 - beta1 on a log axis.
        beta2: the same for the squares.
        eps: keeps the division finite, in gradient.

    >>> AMSGrad().slots
    ('m', 'v', 'largest')

    Reference: Reddi, Kale & Kumar, On the Convergence of Adam and Beyond, ICLR 2018, arXiv:1904.09237, as changed by
    PyTorch. The ranges are Adam's.
    """

    lr: Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)] = 0.001
    beta1: Annotated[float, Field(ge=0, lt=1), Float(0.5, 0.98, complement_log=True)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1), Float(0.9, 0.9999, complement_log=True)] = 0.999
    eps: Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True)] = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "largest")

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the scalars of Adam: a constant factor of v, left out there, is one of the largest v too."""
        return adam_scalars(hyper, step)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place."""
        m, v, largest = slots["m"], slots["v"], slots["largest"]
        xp.multiply(m, k.beta1, out=m)
        xp.add(m, grad, out=m)
        xp.multiply(v, k.beta2, out=v)
        xp.square(grad, out=grad)
        xp.add(v, grad, out=v)
        xp.maximum(largest, v, out=largest)
        xp.sqrt(largest, out=grad)
        xp.add(grad, k.eps, out=grad)
        xp.divide(m, grad, out=grad)
        xp.multiply(grad, k.rate, out=grad)
        xp.subtract(theta, grad, out=theta)
