"""Mirrors a study outside: into MLflow (`mlflow_tracker`) or into memory (`memory`).

The engine's side appends to a spool and imports no mlflow. Only the files named `mlflow_*` beside the tracker do, and
they run in the writer's own process; or, of `recorded`, where a trial is read back to be trained again.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunelab.tracking.memory import MemoryTracker
    from tunelab.tracking.mlflow_tracker import MLflowTracker

_HOMES = {"MLflowTracker": "tunelab.tracking.mlflow_tracker", "MemoryTracker": "tunelab.tracking.memory"}

__all__ = ["MLflowTracker", "MemoryTracker"]


def __getattr__(name: str) -> Any:
    """Import a tracker on first use: the writer, which starts in this room, needs neither."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tunelab.tracking' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
