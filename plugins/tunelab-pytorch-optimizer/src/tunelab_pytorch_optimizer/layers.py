"""Steps measured by the size of a whole tensor, or of its rows and columns."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Decay, Eps, Penalty, Rate


class AdaFactor(PytorchOptimizer):
    """Factored adaptive updates with the BigVision AdaFactor variant."""

    target = "pytorch_optimizer:AdaFactor"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    fixed: ClassVar[Mapping[str, Any]] = {"relative_step": False}
    lr: Annotated[PositiveFloat, Float(1e-4, 0.01, log=True)] = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    decay_rate: float = -0.8
    weight_decay: NonNegativeFloat = 0.0
    clip_threshold: NonNegativeFloat = 1.0
    eps1: PositiveFloat = 1e-30
    eps2: PositiveFloat = 0.001


class Adalite(PytorchOptimizer):
    """Adaptive updates with factored moments and tensor wise trust ratios."""

    target = "pytorch_optimizer:Adalite"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: Penalty = 0.01
    g_norm_min: NonNegativeFloat = 1e-10
    ratio_min: NonNegativeFloat = 0.0001
    tau: NonNegativeFloat = 1.0
    eps1: PositiveFloat = 1e-06
    eps2: PositiveFloat = 1e-10


class CAME(PytorchOptimizer):
    """Factored adaptive updates with confidence weighted momentum."""

    target = "pytorch_optimizer:CAME"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    lr: Annotated[PositiveFloat, Float(1e-5, 0.01, log=True)] = 0.0002
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    beta3: Decay = 0.9999
    weight_decay: NonNegativeFloat = 0.0
    clip_threshold: NonNegativeFloat = 1.0
    eps1: PositiveFloat = 1e-30
    eps2: PositiveFloat = 1e-16


class Fromage(PytorchOptimizer):
    """Gradient descent scaled by the ratio of parameter and gradient norms."""

    target = "pytorch_optimizer:Fromage"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01


class Lamb(PytorchOptimizer):
    """Adam updates with a trust ratio for each parameter tensor."""

    target = "pytorch_optimizer:Lamb"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-4, 0.01, log=True)] = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    max_grad_norm: NonNegativeFloat = 1.0
    eps: PositiveFloat = 1e-06


class LARS(PytorchOptimizer):
    """SGD with learning rates scaled by parameter and gradient norms."""

    target = "pytorch_optimizer:LARS"
    lr: Annotated[PositiveFloat, Float(1e-3, 10.0, log=True)] = 0.001
    weight_decay: NonNegativeFloat = 0.0
    momentum: Beta1 = 0.9
    dampening: NonNegativeFloat = 0.0
    trust_coefficient: NonNegativeFloat = 0.001


class Nero(PytorchOptimizer):
    """Neuron wise adaptive updates with optional weight constraints."""

    target = "pytorch_optimizer:Nero"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    beta: Decay = 0.999
    eps: Eps = 1e-08


class NovoGrad(PytorchOptimizer):
    """Adaptive updates with layer wise squared gradient norms."""

    target = "pytorch_optimizer:NovoGrad"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.95
    beta2: Beta2 = 0.98
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class RACS(PytorchOptimizer):
    """Row and Column Scaled SGD."""

    target = "pytorch_optimizer:RACS"
    lr: Rate = 0.001
    beta: Beta1 = 0.9
    alpha: NonNegativeFloat = 0.05
    gamma: NonNegativeFloat = 1.01
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class ROSE(PytorchOptimizer):
    """Gradient updates scaled by row and column ranges."""

    target = "pytorch_optimizer:ROSE"
    lr: Rate = 0.001
    weight_decay: NonNegativeFloat = 0.0001


class SM3(PytorchOptimizer):
    """Adaptive updates with memory efficient per dimension accumulators."""

    target = "pytorch_optimizer:SM3"
    lr: Annotated[PositiveFloat, Float(0.01, 1.0, log=True)] = 0.1
    momentum: Decay = 0.0
    beta: Decay = 0.0
    eps: PositiveFloat = 1e-30
