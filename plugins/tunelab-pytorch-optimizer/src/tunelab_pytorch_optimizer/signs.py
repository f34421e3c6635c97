"""Steps along the signs of a mean of gradients."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Eps, Penalty


class Ano(PytorchOptimizer):
    """Ano optimizer with adaptive momentum and sign based updates."""

    target = "pytorch_optimizer:Ano"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-5, 0.01, log=True)] = 0.0001
    beta1: Beta1 = 0.92
    beta2: Beta2 = 0.99
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class FOCUS(PytorchOptimizer):
    """Sign based updates with attraction toward the running parameter average."""

    target = "pytorch_optimizer:FOCUS"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    gamma: NonNegativeFloat = 0.1
    weight_decay: NonNegativeFloat = 0.0


class Grams(PytorchOptimizer):
    """Adaptive updates combining gradient signs with momentum magnitudes."""

    target = "pytorch_optimizer:Grams"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-5, 0.01, log=True)] = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-06


class Lion(PytorchOptimizer):
    """Sign based updates from interpolated gradient momentum."""

    target = "pytorch_optimizer:Lion"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-5, 3e-3, log=True)] = 0.0001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.99
    weight_decay: NonNegativeFloat = 0.0


class SignSGD(PytorchOptimizer):
    """Sign based SGD with optional momentum."""

    target = "pytorch_optimizer:SignSGD"
    lr: Annotated[PositiveFloat, Float(1e-5, 0.01, log=True)] = 0.001
    momentum: Beta1 = 0.9
    weight_decay: NonNegativeFloat = 0.0


class Tiger(PytorchOptimizer):
    """Sign based updates with a single gradient momentum buffer."""

    target = "pytorch_optimizer:Tiger"
    lr: Annotated[PositiveFloat, Float(1e-5, 0.01, log=True)] = 0.001
    beta: Beta1 = 0.965
    weight_decay: Penalty = 0.01
