"""Optuna's pruners by name."""

from collections.abc import Callable, Mapping

import optuna
from optuna.pruners import BasePruner

from tunelab.errors import ExperimentError, suggestion

Pruner = str | BasePruner

BY_NAME: Mapping[str, Callable[[], BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "asha": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def pruner_of(given: Pruner) -> BasePruner:
    """Return the pruner of a name, or the one that was given.

    Raises:
        ExperimentError: an unknown name.
    """
    if isinstance(given, BasePruner):
        return given
    if not isinstance(given, str):
        raise ExperimentError(f"a pruner is a name or an Optuna pruner (an instance, not a class), was {given!r}")
    if given not in BY_NAME:
        raise ExperimentError(f"no pruner named {given!r}; {suggestion(given, BY_NAME)}")
    return BY_NAME[given]()
