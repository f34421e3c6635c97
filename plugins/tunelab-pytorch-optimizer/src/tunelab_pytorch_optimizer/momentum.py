"""Relatives of gradient descent with momentum."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Decay, Eps, Penalty, Rate


class AccSGD(PytorchOptimizer):
    """Accelerated SGD with coupled short and long steps."""

    target = "pytorch_optimizer:AccSGD"
    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.001
    kappa: NonNegativeFloat = 1000.0
    xi: NonNegativeFloat = 10.0
    constant: NonNegativeFloat = 0.7
    weight_decay: NonNegativeFloat = 0.0


class AdaDelta(PytorchOptimizer):
    """Adaptive updates based on accumulated squared gradients and updates."""

    target = "pytorch_optimizer:AdaDelta"
    lr: Annotated[PositiveFloat, Float(0.01, 10.0, log=True)] = 1.0
    rho: Beta1 = 0.9
    weight_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-06


class AggMo(PytorchOptimizer):
    """SGD with aggregated momentum buffers at multiple decay rates."""

    target = "pytorch_optimizer:AggMo"
    lr: Rate = 0.001
    weight_decay: NonNegativeFloat = 0.0


class FTRL(PytorchOptimizer):
    """Follow the Regularized Leader updates with L1 and L2 penalties."""

    target = "pytorch_optimizer:FTRL"
    lr: Annotated[PositiveFloat, Float(1e-3, 10.0, log=True)] = 0.001
    lr_power: float = -0.5
    beta: Decay = 0.0
    lambda_1: NonNegativeFloat = 0.0
    lambda_2: NonNegativeFloat = 0.0


class Gravity(PytorchOptimizer):
    """Kinematic optimization with a gradient dependent velocity update."""

    target = "pytorch_optimizer:Gravity"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    alpha: NonNegativeFloat = 0.01
    beta: Beta1 = 0.9


class MADGRAD(PytorchOptimizer):
    """Momentumized adaptive dual averaged gradient descent."""

    target = "pytorch_optimizer:MADGRAD"
    lr: Annotated[PositiveFloat, Float(1e-4, 0.1, log=True)] = 0.001
    momentum: Beta1 = 0.9
    weight_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-06


class MSVAG(PytorchOptimizer):
    """Adaptive momentum updates with gradient variance damping."""

    target = "pytorch_optimizer:MSVAG"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    beta: Beta1 = 0.9


class PID(PytorchOptimizer):
    """SGD with proportional, integral, and derivative update terms."""

    target = "pytorch_optimizer:PID"
    lr: Annotated[PositiveFloat, Float(1e-4, 0.1, log=True)] = 0.001
    momentum: Decay = 0.0
    dampening: NonNegativeFloat = 0.0
    derivative: NonNegativeFloat = 10.0
    integral: NonNegativeFloat = 5.0
    weight_decay: NonNegativeFloat = 0.0


class PNM(PytorchOptimizer):
    """SGD with alternating positive and negative momentum."""

    target = "pytorch_optimizer:PNM"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-4, 1.0, log=True)] = 0.001
    beta1: Beta1 = 0.9
    beta2: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class QHM(PytorchOptimizer):
    """SGD with quasi-hyperbolic momentum."""

    target = "pytorch_optimizer:QHM"
    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.001
    momentum: Decay = 0.0
    nu: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = 0.0


class SGDP(PytorchOptimizer):
    """SGD with projected updates for scale invariant weights."""

    target = "pytorch_optimizer:SGDP"
    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.001
    momentum: Decay = 0.0
    dampening: NonNegativeFloat = 0.0
    weight_decay: NonNegativeFloat = 0.0
    delta: NonNegativeFloat = 0.1
    wd_ratio: NonNegativeFloat = 0.1
    eps: Eps = 1e-08


class SGDSaI(PytorchOptimizer):
    """SGD with learning rate scaling from the initial gradient signal-to-noise ratio."""

    target = "pytorch_optimizer:SGDSaI"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    momentum: Beta1 = 0.9
    weight_decay: Penalty = 0.01
    eps: Eps = 1e-08


class SGDW(PytorchOptimizer):
    """SGD with optional decoupled weight decay."""

    target = "pytorch_optimizer:SGDW"
    lr: Annotated[PositiveFloat, Float(1e-4, 1.0, log=True)] = 0.0001
    momentum: Decay = 0.0
    weight_decay: NonNegativeFloat = 0.0
    dampening: NonNegativeFloat = 0.0


class SRMM(PytorchOptimizer):
    """Stochastic regularized majorization-minimization with weakly convex and multi convex surrogates."""

    target = "pytorch_optimizer:SRMM"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    beta: Beta1 = 0.5


class TAM(PytorchOptimizer):
    """SGD with gradient momentum alignment scaling."""

    target = "pytorch_optimizer:TAM"
    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.001
    momentum: Beta1 = 0.9
    decay_rate: NonNegativeFloat = 0.9
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class VSGD(PytorchOptimizer):
    """SGD with variational gradient estimates."""

    target = "pytorch_optimizer:VSGD"
    lr: Annotated[PositiveFloat, Float(0.01, 1.0, log=True)] = 0.1
    ghattg: NonNegativeFloat = 30.0
    ps: NonNegativeFloat = 1e-08
    tau1: NonNegativeFloat = 0.81
    tau2: NonNegativeFloat = 0.9
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08
