"""What training lowers, for all members at once."""

from tunelab.models.losses.cross_entropy import CrossEntropy
from tunelab.models.losses.matching_loss import loss_for
from tunelab.models.losses.mean_squared_error import MeanSquaredError
from tunelab.models.losses.surface import Surface, surface_for

__all__ = ["CrossEntropy", "MeanSquaredError", "Surface", "loss_for", "surface_for"]
