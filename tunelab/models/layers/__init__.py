"""The steps of a network, each with a backward written by hand, for all members at once."""

from tunelab.models.layers.dense import Dense
from tunelab.models.layers.dropout import Dropout
from tunelab.models.layers.gelu import GELU
from tunelab.models.layers.layer_norm import LayerNorm
from tunelab.models.layers.point import Point
from tunelab.models.layers.relu import ReLU
from tunelab.models.layers.softplus import Softplus
from tunelab.models.layers.tanh import Tanh

__all__ = ["GELU", "Dense", "Dropout", "LayerNorm", "Point", "ReLU", "Softplus", "Tanh"]
