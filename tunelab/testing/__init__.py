"""Laws that a plugin must keep, as test classes: give one fixture, inherit the rest. Needs pytest."""

from tunelab.testing.dataset import DatasetConformance
from tunelab.testing.model import ModelConformance
from tunelab.testing.optimizer import OptimizerConformance
from tunelab.testing.schedule import ScheduleConformance

__all__ = ["DatasetConformance", "ModelConformance", "OptimizerConformance", "ScheduleConformance"]
