"""What is trained: networks for tables, and functions to minimise without data."""

from tunelab.models.beale import Beale
from tunelab.models.branin import Branin
from tunelab.models.function import Function
from tunelab.models.linear_regression import LinearRegression
from tunelab.models.mlp import MLP
from tunelab.models.quadratic import Quadratic
from tunelab.models.rosenbrock import Rosenbrock
from tunelab.models.softmax_regression import SoftmaxRegression
from tunelab.models.torch_model import TorchModel

__all__ = [
    "MLP",
    "Beale",
    "Branin",
    "Function",
    "LinearRegression",
    "Quadratic",
    "Rosenbrock",
    "SoftmaxRegression",
    "TorchModel",
]
