"""tunelab: choose optimizer, learning rate, batch size and model by training populations of trials together."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunelab.callbacks import reports_of
    from tunelab.contracts import Torch
    from tunelab.experiments import Experiment
    from tunelab.loop import experiment
    from tunelab.space import Choice, Float, Int
    from tunelab.study import Study
    from tunelab.training.trained import TrainedModel
    from tunelab.trial import Trial

__version__ = "0.1.0"

_HOMES = {
    "Choice": "tunelab.space",
    "Experiment": "tunelab.experiments",
    "Float": "tunelab.space",
    "Int": "tunelab.space",
    "Study": "tunelab.study",
    "Torch": "tunelab.contracts",
    "TrainedModel": "tunelab.training.trained",
    "Trial": "tunelab.trial",
    "experiment": "tunelab.loop",
    "reports_of": "tunelab.callbacks",
}

__all__ = [
    "Choice", "Experiment", "Float", "Int", "Study", "Torch", "TrainedModel", "Trial", "experiment", "reports_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name on first use: a worker that only trains never pays for Optuna."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tunelab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
