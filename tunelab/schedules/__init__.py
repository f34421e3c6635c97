"""The schedules that come with tunelab, one a file; a third party's are found in the same way, by entry point."""

from tunelab.schedules.constant import Constant
from tunelab.schedules.cosine import Cosine
from tunelab.schedules.exponential import Exponential
from tunelab.schedules.inverse_sqrt import InverseSqrt
from tunelab.schedules.inverse_time import InverseTime
from tunelab.schedules.linear import Linear
from tunelab.schedules.multi_step import MultiStep
from tunelab.schedules.one_cycle import OneCycle
from tunelab.schedules.piecewise import Piecewise
from tunelab.schedules.polynomial import Polynomial
from tunelab.schedules.reduce_on_plateau import ReduceOnPlateau
from tunelab.schedules.rex import REX
from tunelab.schedules.sgdr import SGDR
from tunelab.schedules.step import Step
from tunelab.schedules.then import Then
from tunelab.schedules.triangular import Triangular
from tunelab.schedules.triangular2 import Triangular2
from tunelab.schedules.wsd import WSD

__all__ = [
    "REX",
    "SGDR",
    "WSD",
    "Constant",
    "Cosine",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Piecewise",
    "Polynomial",
    "ReduceOnPlateau",
    "Step",
    "Then",
    "Triangular",
    "Triangular2",
]
