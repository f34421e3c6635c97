"""Optuna's side of a study: made or joined, with the trials that come first."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tunelab.credentials import masked
from tunelab.errors import ExperimentError, StoreError
from tunelab.searchable import Searchable
from tunelab.study.carried import carried
from tunelab.study.engines import Engines
from tunelab.study.joined import note
from tunelab.study.plan import Plan
from tunelab.study.storage import open_storage
from tunelab.study.suggest import defaults, grid


def opened(plan: Plan) -> tuple[optuna.Study, int | None]:
    """Return Optuna's study, made or joined, and how many trials this engine will ask for at most.

    Raises:
        StoreError: a storage that cannot be opened, or that has a study of this name already.
    """
    if plan.other:
        study = plan.other.load(plan.sampler, plan.pruner)
        Engines(study).enter()
        return study, plan.file.trials
    study = _optuna_study(plan.experiment, plan.home, plan.storage, plan.sampler, plan.pruner)
    Engines(study).enter()
    note(study, plan.experiment, plan.wanted, plan.file.seed, plan.regime.data)
    earlier = carried(plan.home)
    study.add_trials(earlier)
    return study, _enqueue(plan.experiment, study, plan.file.sampler, plan.file.trials, earlier)


def _optuna_study(
    experiment: Searchable, home: Path, url: str | None, sampler: BaseSampler, pruner: BasePruner
) -> optuna.Study:
    storage = open_storage(url, home)
    direction: Literal["maximize", "minimize"] = "maximize" if experiment.maximize else "minimize"
    try:
        study = optuna.create_study(
            storage=storage, study_name=home.name, sampler=sampler, pruner=pruner, direction=direction
        )
    except optuna.exceptions.DuplicatedStudyError:
        raise StoreError(
            f"the storage {masked(url or '')} has a study named {home.name!r} already, made from another folder; "
            "give another --folder, or rename the experiment"
        ) from None
    return study


def _enqueue(
    experiment: Searchable, study: optuna.Study, sampler: str | None, trials: int | None, earlier: Sequence[FrozenTrial]
) -> int | None:
    """Enqueue the alternatives' own defaults, or the points of a grid; return how many trials there will be at most.

    What an earlier trial had is not tried again.
    """
    tried = [trial.params for trial in earlier]
    untried = (params for params in (grid if sampler == "grid" else defaults)(experiment) if params not in tried)
    first = list(islice(untried, trials))
    if sampler == "grid" and not first:
        raise ExperimentError("every point of the grid was tried before; give another sampler, or wider ranges")
    for params in first:
        study.enqueue_trial(params)
    return len(first) if sampler == "grid" else trials
