"""What every optimizer here has in common: numbers that are fields, and a class that is imported when it trains."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import NonNegativeFloat

from tunelab.optimizers import TorchOptimizer
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Eps, Rate

Tuples = Mapping[str, tuple[str, ...]]


class PytorchOptimizer(TorchOptimizer):
    """A class of pytorch_optimizer whose real-valued arguments are fields, with the class's own defaults.

    Its other arguments (flags, whole numbers, names) stay at their defaults; to change one, give the class itself:
    `TorchOptimizer.search(pytorch_optimizer.Lion, lr=Float(1e-5, 3e-3, log=True), weight_decouple=False)`.

    Attributes:
        tuples: the arguments that are made of several fields.
        fixed: arguments that are not at the class's own default, because that would leave `lr` without effect.

    >>> from tunelab_pytorch_optimizer import Lion
    >>> Lion(lr=3e-4).arguments()
    {'lr': 0.0003, 'weight_decay': 0.0, 'betas': (0.9, 0.99)}
    """

    tuples: ClassVar[Tuples] = {}
    fixed: ClassVar[Mapping[str, Any]] = {}

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that the fields stand for."""
        given = super().arguments()
        packed = {name: tuple(given.pop(part) for part in parts) for name, parts in self.tuples.items()}
        return given | packed | dict(self.fixed)


class Moments(PytorchOptimizer):
    """One with the fields of Adam."""

    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-08
    weight_decay: NonNegativeFloat = 0.0
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}


class Routed(PytorchOptimizer):
    """One that takes matrices its own way, and leaves vectors to the AdamW inside it, at `adamw_lr`."""

    def call(self, *given: Any, **supplied: Any) -> Any:
        """Return an instance for these parameters, in two groups."""
        (params,) = given
        either = ((True, [p for p in params if p.ndim >= 2]), (False, [p for p in params if p.ndim < 2]))
        return super().call([{"params": part, "use_muon": use} for use, part in either if part])
