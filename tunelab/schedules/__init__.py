"""The schedules that come with tunelab, one a file; a third party's are found in the same way, by entry point."""

from tunelab.schedules.constant import Constant
from tunelab.schedules.cosine import Cosine
from tunelab.schedules.exponential import Exponential
from tunelab.schedules.inverse_time import InverseTime
from tunelab.schedules.linear import Linear
from tunelab.schedules.polynomial import Polynomial
from tunelab.schedules.step import Step

__all__ = ["Constant", "Cosine", "Exponential", "InverseTime", "Linear", "Polynomial", "Step"]
