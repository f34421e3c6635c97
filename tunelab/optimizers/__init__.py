"""The rules that come with tunelab, one a file; a third party's are found in the same way, by entry point."""

from tunelab.optimizers.adagrad import AdaGrad
from tunelab.optimizers.adam import Adam
from tunelab.optimizers.adamw import AdamW
from tunelab.optimizers.gradient_descent import GradientDescent
from tunelab.optimizers.heavy_ball import HeavyBall
from tunelab.optimizers.momentum import Momentum
from tunelab.optimizers.nesterov import Nesterov
from tunelab.optimizers.rmsprop import RMSprop
from tunelab.optimizers.sgd import SGD

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "GradientDescent", "HeavyBall", "Momentum", "Nesterov", "RMSprop"]
