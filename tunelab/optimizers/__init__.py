"""The optimizers that come with tunelab, one a file; a third party's are found in the same way, by entry point."""

from tunelab.optimizers.adadelta import Adadelta
from tunelab.optimizers.adafactor import Adafactor
from tunelab.optimizers.adagrad import AdaGrad
from tunelab.optimizers.adam import Adam
from tunelab.optimizers.adamax import Adamax
from tunelab.optimizers.adamw import AdamW
from tunelab.optimizers.amsgrad import AMSGrad
from tunelab.optimizers.asgd import ASGD
from tunelab.optimizers.clip_norm import ClipNorm
from tunelab.optimizers.clip_value import ClipValue
from tunelab.optimizers.coupled_decay import CoupledDecay
from tunelab.optimizers.d_adaptation import DAdaptation
from tunelab.optimizers.decoupled_decay import DecoupledDecay
from tunelab.optimizers.ema import EMA
from tunelab.optimizers.gradient_descent import GradientDescent
from tunelab.optimizers.heavy_ball import HeavyBall
from tunelab.optimizers.lamb import LAMB
from tunelab.optimizers.lars import LARS
from tunelab.optimizers.lion import Lion
from tunelab.optimizers.lookahead import Lookahead
from tunelab.optimizers.momentum import Momentum
from tunelab.optimizers.muon import Muon
from tunelab.optimizers.nadam import NAdam
from tunelab.optimizers.nadamw import NAdamW
from tunelab.optimizers.nesterov import Nesterov
from tunelab.optimizers.prodigy import Prodigy
from tunelab.optimizers.radam import RAdam
from tunelab.optimizers.rmsprop import RMSprop
from tunelab.optimizers.rprop import Rprop
from tunelab.optimizers.sam import SAM
from tunelab.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from tunelab.optimizers.schedule_free_sgd import ScheduleFreeSGD
from tunelab.optimizers.sgd import SGD
from tunelab.optimizers.shampoo import Shampoo
from tunelab.optimizers.soap import SOAP
from tunelab.optimizers.sophia import Sophia
from tunelab.optimizers.swa import SWA
from tunelab.optimizers.switch import Switch
from tunelab.optimizers.torch_optimizer import TorchOptimizer

__all__ = [
    "ASGD",
    "EMA",
    "LAMB",
    "LARS",
    "SAM",
    "SGD",
    "SOAP",
    "SWA",
    "AMSGrad",
    "AdaGrad",
    "Adadelta",
    "Adafactor",
    "Adam",
    "AdamW",
    "Adamax",
    "ClipNorm",
    "ClipValue",
    "CoupledDecay",
    "DAdaptation",
    "DecoupledDecay",
    "GradientDescent",
    "HeavyBall",
    "Lion",
    "Lookahead",
    "Momentum",
    "Muon",
    "NAdam",
    "NAdamW",
    "Nesterov",
    "Prodigy",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "Shampoo",
    "Sophia",
    "Switch",
    "TorchOptimizer",
]
