"""Schedule-free rules: trained at one point, evaluated at a mean."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from tunelab.space import Float
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer, Tuples
from tunelab_pytorch_optimizer.fields import Beta1, Beta2, Eps


class ScheduleFreeAdamW(PytorchOptimizer):
    """Schedule free AdamW with weighted parameter averaging."""

    target = "pytorch_optimizer:ScheduleFreeAdamW"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    averages: ClassVar[bool] = True
    lr: Annotated[PositiveFloat, Float(0.00025, 0.025, log=True)] = 0.0025
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    r: NonNegativeFloat = 0.0
    weight_lr_power: NonNegativeFloat = 2.0
    eps: Eps = 1e-08


class ScheduleFreeRAdam(PytorchOptimizer):
    """Schedule free RAdam with weighted parameter averaging."""

    target = "pytorch_optimizer:ScheduleFreeRAdam"
    tuples: ClassVar[Tuples] = {"betas": ("beta1", "beta2")}
    averages: ClassVar[bool] = True
    lr: Annotated[PositiveFloat, Float(0.00025, 0.025, log=True)] = 0.0025
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    weight_decay: NonNegativeFloat = 0.0
    r: NonNegativeFloat = 0.0
    weight_lr_power: NonNegativeFloat = 2.0
    eps: Eps = 1e-08


class ScheduleFreeSGD(PytorchOptimizer):
    """Schedule free SGD with weighted parameter averaging."""

    target = "pytorch_optimizer:ScheduleFreeSGD"
    averages: ClassVar[bool] = True
    lr: Annotated[PositiveFloat, Float(0.1, 10.0, log=True)] = 1.0
    momentum: Beta1 = 0.9
    weight_decay: NonNegativeFloat = 0.0
    r: NonNegativeFloat = 0.0
    weight_lr_power: NonNegativeFloat = 2.0
    eps: Eps = 1e-08
