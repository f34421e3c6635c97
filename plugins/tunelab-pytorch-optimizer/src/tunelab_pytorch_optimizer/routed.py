"""Orthogonalised steps for matrices, AdamW for all else."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import Routed, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Decay


class AdaGO(Routed):
    """Orthogonal momentum updates with AdaGrad step size adaptation."""

    target = "pytorch_optimizer:AdaGO"
    tuples: ClassVar[Tuples] = {"adamw_betas": ("adamw_beta1", "adamw_beta2")}
    lr: Annotated[PositiveFloat, Float(5e-3, 0.5, log=True)] = 0.05
    momentum: Beta1 = 0.95
    weight_decay: NonNegativeFloat = 0.0
    gamma: NonNegativeFloat = 10.0
    eps: PositiveFloat = 0.0005
    v: NonNegativeFloat = 1e-06
    adamw_lr: NonNegativeFloat = 0.0003
    adamw_beta1: Decay = 0.9
    adamw_beta2: Decay = 0.95
    adamw_wd: NonNegativeFloat = 0.0
    adamw_eps: PositiveFloat = 1e-10


class AdaMuon(Routed):
    """Adaptive momentum updates with Newton-Schulz matrix orthogonalization."""

    target = "pytorch_optimizer:AdaMuon"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2"), "adamw_betas": ("adamw_beta1", "adamw_beta2")}
    lr: Annotated[PositiveFloat, Float(2e-3, 0.2, log=True)] = 0.02
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.95
    weight_decay: NonNegativeFloat = 0.0
    adamw_lr: NonNegativeFloat = 0.0003
    adamw_beta1: Decay = 0.9
    adamw_beta2: Decay = 0.999
    adamw_wd: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-10


class Muon(Routed):
    """Momentum updates with Newton-Schulz matrix orthogonalization."""

    target = "pytorch_optimizer:Muon"
    tuples: ClassVar[Tuples] = {"adamw_betas": ("adamw_beta1", "adamw_beta2")}
    lr: Annotated[PositiveFloat, Float(1e-3, 0.1, log=True)] = 0.02
    momentum: Beta1 = 0.95
    weight_decay: NonNegativeFloat = 0.0
    adamw_lr: NonNegativeFloat = 0.0003
    adamw_beta1: Decay = 0.9
    adamw_beta2: Decay = 0.95
    adamw_wd: NonNegativeFloat = 0.0
    adamw_eps: PositiveFloat = 1e-10


class NorMuon(Routed):
    """Muon updates with row wise second moment normalization."""

    target = "pytorch_optimizer:NorMuon"
    tuples: ClassVar[Tuples] = {"adamw_betas": ("adamw_beta1", "adamw_beta2")}
    lr: Annotated[PositiveFloat, Float(2e-3, 0.2, log=True)] = 0.02
    momentum: Beta1 = 0.95
    beta2: Beta2 = 0.95
    weight_decay: NonNegativeFloat = 0.0
    adamw_lr: NonNegativeFloat = 0.0003
    adamw_beta1: Decay = 0.9
    adamw_beta2: Decay = 0.95
    adamw_wd: NonNegativeFloat = 0.0
    adamw_eps: PositiveFloat = 1e-10
    eps: PositiveFloat = 1e-10
