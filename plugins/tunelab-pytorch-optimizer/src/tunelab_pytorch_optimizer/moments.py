"""Relatives of Adam: a step along a mean of gradients, divided by their size element by element."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import Moments, PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Decay, Eps, Penalty, Rate


class AdaBelief(Moments):
    """Adaptive updates based on gradient prediction error."""

    target = "pytorch_optimizer:AdaBelief"
    eps: PositiveFloat = 1e-16


class AdaBound(Moments):
    """Adam updates with learning rate bounds that converge to SGD."""

    target = "pytorch_optimizer:AdaBound"
    final_lr: NonNegativeFloat = 0.1
    gamma: NonNegativeFloat = 0.001


class AdaGC(Moments):
    """Adam with adaptive gradient clipping for stable training."""

    target = "pytorch_optimizer:AdaGC"
    beta: Beta1 = 0.98
    lambda_abs: NonNegativeFloat = 1.0
    lambda_rel: NonNegativeFloat = 1.05
    weight_decay: Penalty = 0.1


class Adai(Moments):
    """SGD with gradient dependent momentum and optional stable weight decay."""

    target = "pytorch_optimizer:Adai"
    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.001
    beta1: Decay = 0.1
    beta2: Beta2 = 0.99
    dampening: NonNegativeFloat = 1.0
    eps: PositiveFloat = 0.001


class AdaMax(Moments):
    """Adam with an exponentially weighted infinity norm denominator."""

    target = "pytorch_optimizer:AdaMax"


class AdamC(Moments):
    """Adam with weight decay scaled by the learning rate in normalization layers."""

    target = "pytorch_optimizer:AdamC"


class AdaMod(Moments):
    """Adam with bounds from a moving average of adaptive learning rates."""

    target = "pytorch_optimizer:AdaMod"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    beta2: Beta2 = 0.99
    beta3: Decay = 0.9999


class AdamP(Moments):
    """Adam with projected updates for scale invariant weights."""

    target = "pytorch_optimizer:AdamP"
    delta: NonNegativeFloat = 0.1
    wd_ratio: NonNegativeFloat = 0.1


class AdamS(Moments):
    """Adam with stable weight decay."""

    target = "pytorch_optimizer:AdamS"
    weight_decay: NonNegativeFloat = 0.0001


class AdamWSN(Moments):
    """AdamW with subset norm and subspace momentum scaling."""

    target = "pytorch_optimizer:AdamWSN"


class Adan(Moments):
    """Adaptive updates with gradient difference momentum."""

    target = "pytorch_optimizer:Adan"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    beta1: Beta1 = 0.98
    beta2: Beta2 = 0.92
    beta3: Decay = 0.99
    max_grad_norm: NonNegativeFloat = 0.0


class AdaNorm(Moments):
    """Adam with adaptive gradient norm correction."""

    target = "pytorch_optimizer:AdaNorm"
    beta2: Beta2 = 0.99
    r: NonNegativeFloat = 0.95


class AdaPNM(Moments):
    """Adam with positive negative momentum."""

    target = "pytorch_optimizer:AdaPNM"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    beta3: NonNegativeFloat = 1.0


class AdaShift(PytorchOptimizer):
    """Adaptive updates with temporally decorrelated gradient moments."""

    target = "pytorch_optimizer:AdaShift"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: PositiveFloat = 1e-10


class AdaSmooth(Moments):
    """Adaptive updates with effective ratio smoothing."""

    target = "pytorch_optimizer:AdaSmooth"
    beta1: Beta1 = 0.5
    beta2: Beta2 = 0.99
    eps: PositiveFloat = 1e-06


class AdaTAM(Moments):
    """Adam with gradient momentum alignment scaling."""

    target = "pytorch_optimizer:AdaTAM"
    decay_rate: NonNegativeFloat = 0.9


class AdEMAMix(Moments):
    """Adam with a mixture of fast and slow gradient momentum."""

    target = "pytorch_optimizer:AdEMAMix"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    beta3: Decay = 0.9999
    alpha: NonNegativeFloat = 5.0


class ADOPT(Moments):
    """Adaptive updates using the previous second moment and gradient clipping."""

    target = "pytorch_optimizer:ADOPT"
    beta2: Beta2 = 0.9999
    eps: PositiveFloat = 1e-06


class Aida(Moments):
    """Adaptive updates using alternating gradient and momentum projections."""

    target = "pytorch_optimizer:Aida"
    xi: NonNegativeFloat = 1e-20


class Amos(PytorchOptimizer):
    """Adaptive updates with weight decay toward a target parameter scale."""

    target = "pytorch_optimizer:Amos"
    lr: Rate = 0.001
    beta: Decay = 0.999
    momentum: Decay = 0.0
    extra_l2: NonNegativeFloat = 0.0
    c_coef: NonNegativeFloat = 0.25
    d_coef: NonNegativeFloat = 0.25
    eps: PositiveFloat = 1e-18


class AvaGrad(Moments):
    """Adaptive updates with a lagged second moment preconditioner."""

    target = "pytorch_optimizer:AvaGrad"
    lr: Annotated[PositiveFloat, Float(0.01, 1.0, log=True)] = 0.1
    eps: PositiveFloat = 0.1


class BCOS(PytorchOptimizer):
    """Stochastic approximation with block coordinate optimal step sizes."""

    target = "pytorch_optimizer:BCOS"
    lr: Rate = 0.001
    beta: Beta1 = 0.9
    weight_decay: Penalty = 0.1
    eps: PositiveFloat = 1e-06


class DiffGrad(Moments):
    """Adam updates scaled by changes between consecutive gradients."""

    target = "pytorch_optimizer:DiffGrad"


class DualAdam(Moments):
    """Adam with a decaying inverse Adam update contribution."""

    target = "pytorch_optimizer:DualAdam"
    switch_rate: NonNegativeFloat = 0.01


class EXAdam(Moments):
    """Adam with adaptive cross moment corrections."""

    target = "pytorch_optimizer:EXAdam"


class FlashAdamW(Moments):
    """AdamW with grouped 8-bit optimizer states and optional master weight error correction."""

    target = "pytorch_optimizer:FlashAdamW"
    weight_decay: Penalty = 0.01


class GrokFastAdamW(Moments):
    """AdamW with amplification of slow gradient components."""

    target = "pytorch_optimizer:GrokFastAdamW"
    lr: Annotated[PositiveFloat, Float(1e-5, 1e-3, log=True)] = 0.0001
    beta2: Beta2 = 0.99
    grokfast_alpha: NonNegativeFloat = 0.98
    grokfast_lamb: NonNegativeFloat = 2.0


class Kate(PytorchOptimizer):
    """Scale invariant AdaGrad-style updates without square root normalization."""

    target = "pytorch_optimizer:Kate"
    lr: Annotated[PositiveFloat, Float(1e-4, 0.1, log=True)] = 0.001
    delta: NonNegativeFloat = 0.0
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class LaProp(Moments):
    """Adaptive updates with momentum of preconditioned gradients."""

    target = "pytorch_optimizer:LaProp"
    lr: Annotated[PositiveFloat, Float(1e-4, 0.03, log=True)] = 0.0004
    eps: PositiveFloat = 1e-15


class MARS(Moments):
    """Adaptive updates with variance reduced gradient corrections."""

    target = "pytorch_optimizer:MARS"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2"), "betas_1d": ("beta1_1d", "beta2_1d")}
    lr: Annotated[PositiveFloat, Float(3e-4, 0.03, log=True)] = 0.003
    beta1: Beta1 = 0.95
    beta2: Beta2 = 0.99
    gamma: NonNegativeFloat = 0.025
    lr_1d: NonNegativeFloat = 0.003
    beta1_1d: Decay = 0.9
    beta2_1d: Decay = 0.95
    weight_decay_1d: NonNegativeFloat = 0.1


class PAdam(Moments):
    """Partially adaptive Adam with a configurable second moment exponent."""

    target = "pytorch_optimizer:PAdam"
    lr: Annotated[PositiveFloat, Float(0.01, 1.0, log=True)] = 0.1
    partial: NonNegativeFloat = 0.25


class QHAdam(Moments):
    """Adam with quasi-hyperbolic moment averaging."""

    target = "pytorch_optimizer:QHAdam"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2"), "nus": ("nu1", "nu2")}
    nu1: NonNegativeFloat = 1.0
    nu2: NonNegativeFloat = 1.0


class RAdam(Moments):
    """Rectified Adam."""

    target = "pytorch_optimizer:RAdam"


class Ranger(Moments):
    """RAdam with Lookahead and optional gradient centralization."""

    target = "pytorch_optimizer:Ranger"
    beta1: Beta1 = 0.95
    alpha: NonNegativeFloat = 0.5
    eps: PositiveFloat = 1e-05


class SimplifiedAdEMAMix(Moments):
    """Adaptive updates that mix the current gradient with gradient momentum."""

    target = "pytorch_optimizer:SimplifiedAdEMAMix"
    lr: Annotated[PositiveFloat, Float(1e-5, 1e-3, log=True)] = 0.0001
    beta1: Beta1 = 0.99
    beta2: Beta2 = 0.95
    alpha: NonNegativeFloat = 0.0
    min_beta1: NonNegativeFloat = 0.9


class SPAM(Moments):
    """Adam with sparse update masks, gradient spike clipping, and momentum resets."""

    target = "pytorch_optimizer:SPAM"
    density: NonNegativeFloat = 1.0
    eps: PositiveFloat = 1e-06


class StableAdamW(Moments):
    """AdamW with update clipping and optional low precision Kahan summation."""

    target = "pytorch_optimizer:StableAdamW"
    beta2: Beta2 = 0.99
    weight_decay: Penalty = 0.01


class StableSPAM(Moments):
    """Adam with adaptive gradient scaling, spike clipping, and momentum resets."""

    target = "pytorch_optimizer:StableSPAM"
    gamma1: NonNegativeFloat = 0.7
    gamma2: NonNegativeFloat = 0.9
    theta: NonNegativeFloat = 0.999
    eta_min: NonNegativeFloat = 0.5


class Yogi(Moments):
    """Adaptive updates with sign controlled second moment accumulation."""

    target = "pytorch_optimizer:Yogi"
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.01
    initial_accumulator: NonNegativeFloat = 1e-06
    eps: PositiveFloat = 0.001
