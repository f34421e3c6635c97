"""What is trained: networks for tables, images and texts, and functions to minimise without data."""

from tunelab.models.beale import Beale
from tunelab.models.branin import Branin
from tunelab.models.cnn import CNN
from tunelab.models.function import Function
from tunelab.models.gru import GRU
from tunelab.models.linear_regression import LinearRegression
from tunelab.models.mlp import MLP
from tunelab.models.quadratic import Quadratic
from tunelab.models.resnet import ResNet
from tunelab.models.rosenbrock import Rosenbrock
from tunelab.models.softmax_regression import SoftmaxRegression
from tunelab.models.torch_model import TorchModel
from tunelab.models.transformer import Transformer
from tunelab.models.vae import VAE

__all__ = [
    "CNN",
    "GRU",
    "MLP",
    "VAE",
    "Beale",
    "Branin",
    "Function",
    "LinearRegression",
    "Quadratic",
    "ResNet",
    "Rosenbrock",
    "SoftmaxRegression",
    "TorchModel",
    "Transformer",
]
