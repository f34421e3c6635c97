"""Rules that find their own step size: the learning rate multiplies it."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Decay, Eps


class AdamG(PytorchOptimizer):
    """Parameter free adaptive updates with gradient dependent scaling."""

    target = "pytorch_optimizer:AdamG"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    lr: Annotated[PositiveFloat, Float(0.1, 3.0, log=True)] = 1.0
    beta1: Beta1 = 0.95
    beta2: Beta2 = 0.999
    beta3: Decay = 0.95
    p: NonNegativeFloat = 0.2
    q: NonNegativeFloat = 0.24
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class DAdaptAdaGrad(PytorchOptimizer):
    """AdaGrad with D-Adaptation."""

    target = "pytorch_optimizer:DAdaptAdaGrad"
    lr: Annotated[PositiveFloat, Float(0.3, 3.0, log=True)] = 1.0
    momentum: Decay = 0.0
    d0: NonNegativeFloat = 1e-06
    weight_decay: NonNegativeFloat = 0.0
    eps: NonNegativeFloat = 0.0


class DAdaptAdam(PytorchOptimizer):
    """Adam with D-Adaptation V3."""

    target = "pytorch_optimizer:DAdaptAdam"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(0.3, 3.0, log=True)] = 1.0
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    d0: NonNegativeFloat = 1e-06
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class DAdaptAdan(PytorchOptimizer):
    """Adan with D-Adaptation."""

    target = "pytorch_optimizer:DAdaptAdan"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    lr: Annotated[PositiveFloat, Float(0.3, 3.0, log=True)] = 1.0
    beta1: Beta1 = 0.98
    beta2: Beta2 = 0.92
    beta3: Decay = 0.99
    weight_decay: NonNegativeFloat = 0.0
    d0: NonNegativeFloat = 1e-06
    eps: Eps = 1e-08


class DAdaptLion(PytorchOptimizer):
    """Lion with D-Adaptation V3."""

    target = "pytorch_optimizer:DAdaptLion"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(0.3, 3.0, log=True)] = 1.0
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    d0: NonNegativeFloat = 1e-06
    weight_decay: NonNegativeFloat = 0.0


class DAdaptSGD(PytorchOptimizer):
    """SGD with D-Adaptation V3."""

    target = "pytorch_optimizer:DAdaptSGD"
    lr: Annotated[PositiveFloat, Float(0.3, 3.0, log=True)] = 1.0
    momentum: Beta1 = 0.9
    d0: NonNegativeFloat = 1e-06
    weight_decay: NonNegativeFloat = 0.0


class Prodigy(PytorchOptimizer):
    """Adam with distance adaptive step sizes."""

    target = "pytorch_optimizer:Prodigy"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(0.5, 2.0, log=True)] = 1.0
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    d0: NonNegativeFloat = 1e-06
    d_coef: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08
