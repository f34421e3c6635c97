"""Trials of an earlier study, as they lie in the folder of one that extends it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

CARRIED = "carried.json"
"""The file's name."""

FROM = "tunelab.carried_from"
"""Optuna's attribute of such a trial: the study and the number under which it was trained, `digits-3/17`."""


def save(home: Path, trials: Iterable[FrozenTrial]) -> None:
    """Write trials into a study's folder."""
    (home / CARRIED).write_text(json.dumps([_plain(trial) for trial in trials], indent=1))


def carried(home: Path) -> list[FrozenTrial]:
    """Return the trials that `save` wrote; none where it wrote nothing."""
    file = home / CARRIED
    return [_trial(**plain) for plain in json.loads(file.read_text())] if file.exists() else []


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "value": trial.value,
        "params": trial.params,
        "distributions": {name: distribution_to_json(each) for name, each in trial.distributions.items()},
        "intermediate": list(trial.intermediate_values.items()),
        "origin": trial.user_attrs[FROM],
    }


def _trial(
    state: str,
    value: float | None,
    params: dict[str, Any],
    distributions: dict[str, str],
    intermediate: list[tuple[int, float]],
    origin: str,
) -> FrozenTrial:
    return create_trial(
        state=TrialState[state],
        value=value,
        params=params,
        distributions={name: json_to_distribution(each) for name, each in distributions.items()},
        intermediate_values=dict(intermediate),
        user_attrs={FROM: origin},
    )
