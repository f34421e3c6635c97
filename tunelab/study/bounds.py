"""The best trial at the end of a range: where, and the range to search next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from tunelab.experiments import Experiment, Training
from tunelab.searchable import Searchable
from tunelab.space import Float, Int
from tunelab.study.prepare import prepare
from tunelab.study.ranges import Where, ranges
from tunelab.study.suggest import from_optuna, optuna_name
from tunelab.study.wider import Limits, Side, limits, wider

EDGE = 0.05
"""The part of a range, at either end of the searched axis, in which a best value counts as at a bound.

Of a hyperparameter that does not matter, one study in ten says so by chance.
"""

ENOUGH = 5
"""Complete trials that must have searched a hyperparameter, before where the best of them lies says anything.

The first trials are the alternatives' defaults, so a study of few trials knows nothing but those.
"""


@dataclass(frozen=True, slots=True)
class AtBound:
    """A hyperparameter of the best trial, at an end of its range.

    Attributes:
        name: with its alternative, as Optuna tells them apart: `optimizer.adam.lr`.
        value: the best trial's.
        within: the range that was searched.
        side: which end of it, `"lower"` or `"upper"`.
        wider: the range to search next: that end moved out, as far as the field allows.
    """

    name: str
    value: float
    within: Float | Int
    side: Side
    wider: Float | Int


def at_bounds(experiment: Searchable, study: optuna.Study) -> tuple[AtBound, ...]:
    """Return the hyperparameters of the best trial that lie at an end of their range which could be moved out.

    A real number is at an end within `EDGE` of it on the searched axis, a whole number on the end itself. The best
    trial may well be a default: what makes it evidence are the `ENOUGH` trials that have searched the range.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return ()
    best = best_of(complete, maximize=experiment.maximize is not None)
    found = []
    for path, (within, where) in ranges(experiment).items():
        if not isinstance(within, Float | Int):
            continue
        name = optuna_name(path, within)
        if name in best.params and sum(name in trial.params for trial in complete) >= ENOUGH:
            found.append(_at_bound(experiment, from_optuna(best.params[name], within), within, where))
    return tuple(at for at in found if at is not None)


def best_of(complete: Sequence[FrozenTrial], *, maximize: bool) -> FrozenTrial:
    """Return the trial that a study calls its best: of several that are as good, the one that ended first."""

    def rank(trial: FrozenTrial) -> tuple[float, object, int]:
        assert trial.value is not None
        return (-trial.value if maximize else trial.value), trial.datetime_complete, trial.number

    return min(complete, key=rank)


def _at_bound(experiment: Searchable, value: float, within: Float | Int, where: Where) -> AtBound | None:
    side = _side(value, within)
    if side is None:
        return None
    further = wider(within, side, where, _limits(experiment, side, where))
    return None if further is None else AtBound(where.path, value, within, side, further)


def _side(value: float, within: Float | Int) -> Side | None:
    if isinstance(within, Int):
        low, high = value == within.low, value == within.grid()[-1]
    else:
        low, high = within.unit(value) < EDGE, within.unit(value) > 1 - EDGE
    if low == high:  # inside, or a range of one number
        return None
    return "lower" if low else "upper"


def _limits(experiment: Searchable, side: Side, where: Where) -> Limits:
    """Return the field's limits; no batch is larger than the training part."""
    found = limits(where)
    if (where.plugin, where.field, side) == (Training, "batch_size", "upper"):
        assert isinstance(experiment, Experiment)  # who else trains in batches?
        rows = prepare(experiment)[0].rows.get("train")
        return replace(found, high=rows) if rows else found
    return found
