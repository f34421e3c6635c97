"""Steps that treat a weight as a matrix: whitened, orthogonalised, or taken in a basis of their own."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Decay, Eps, Penalty, Rate


class Alice(PytorchOptimizer):
    """Adaptive subspace updates with full rank gradient compensation."""

    target = "pytorch_optimizer:Alice"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2", "beta3")}
    lr: Annotated[PositiveFloat, Float(2e-3, 0.2, log=True)] = 0.02
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.9
    beta3: Decay = 0.999
    alpha: NonNegativeFloat = 0.3
    alpha_c: NonNegativeFloat = 0.4
    gamma: NonNegativeFloat = 1.01
    weight_decay: NonNegativeFloat = 0.0
    eps: Eps = 1e-08


class Conda(PytorchOptimizer):
    """Adam with gradient projection in a basis derived from momentum."""

    target = "pytorch_optimizer:Conda"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    scale: NonNegativeFloat = 1.0
    eps: Eps = 1e-08


class DASH(PytorchOptimizer):
    """Accelerated Shampoo with batched blocks and Newton-Denman-Beavers inverse roots."""

    target = "pytorch_optimizer:DASH"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.95
    weight_decay: NonNegativeFloat = 0.0
    momentum: Decay = 0.0
    eps: Eps = 1e-08
    matrix_eps: PositiveFloat = 1e-10


class ScalableShampoo(PytorchOptimizer):
    """Shampoo with blockwise preconditioning and optional gradient grafting."""

    target = "pytorch_optimizer:ScalableShampoo"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Rate = 0.001
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    diagonal_eps: PositiveFloat = 1e-10
    matrix_eps: PositiveFloat = 1e-06


class SCION(PytorchOptimizer):
    """Norm constrained updates using linear minimization oracles."""

    target = "pytorch_optimizer:SCION"
    lr: Rate = 0.001
    momentum: Decay = 0.1
    scale: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = 0.0


class SCIONLight(PytorchOptimizer):
    """Variant of SCION that stores momentum in gradient buffers."""

    target = "pytorch_optimizer:SCIONLight"
    lr: Rate = 0.001
    momentum: Decay = 0.1
    scale: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat = 0.0


class Shampoo(PytorchOptimizer):
    """Stochastic tensor optimization with matrix preconditioning."""

    target = "pytorch_optimizer:Shampoo"
    lr: Annotated[PositiveFloat, Float(1e-4, 1.0, log=True)] = 0.001
    momentum: Decay = 0.0
    weight_decay: NonNegativeFloat = 0.0
    matrix_eps: PositiveFloat = 1e-06


class SOAP(PytorchOptimizer):
    """Adam updates in Shampoo preconditioner eigenbases."""

    target = "pytorch_optimizer:SOAP"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    lr: Annotated[PositiveFloat, Float(1e-4, 0.01, log=True)] = 0.003
    beta1: Beta1 = 0.95
    beta2: Beta2 = 0.95
    weight_decay: Penalty = 0.01
    eps: Eps = 1e-08


class SPlus(PytorchOptimizer):
    """Adaptive updates with matrix whitening and gradient momentum."""

    target = "pytorch_optimizer:SPlus"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    averages: ClassVar[bool] = True
    lr: Annotated[PositiveFloat, Float(0.01, 1.0, log=True)] = 0.1
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: Penalty = 0.01
    ema_rate: NonNegativeFloat = 0.999
    nonstandard_constant: NonNegativeFloat = 0.001
    eps: PositiveFloat = 1e-30
