"""Search further where the last study of an experiment ended at a bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna

from tunelab.errors import ExperimentError
from tunelab.searchable import Searchable
from tunelab.space import Float, Int, Range
from tunelab.study.bounds import at_bounds
from tunelab.study.earlier import earlier
from tunelab.study.folder import folders
from tunelab.study.ranges import ranges, replaced
from tunelab.study.study_file import EXPERIMENT
from tunelab.study.wider import with_ends


@dataclass(frozen=True)
class Widening:
    """An experiment with wider ranges.

    Attributes:
        experiment: the same, with these ranges spelled out.
        after: the study whose best trial sat at a bound.
        moved: the ranges that are others now, by name: as they were, and as they are.
    """

    experiment: Searchable
    after: str
    moved: Mapping[str, tuple[Range, Range]]


def widened(experiment: Searchable, folder: Path, storage: str | None) -> Widening:
    """Return the experiment with its ranges widened where its last study in the folder had its best trial at a bound.

    A range that the last study searched more widely than the experiment says stays as wide, so that widening again
    goes on from there.

    Args:
        experiment: what is to be searched.
        folder: where studies are kept.
        storage: the Optuna URL of studies without a journal in their folder.

    Raises:
        ExperimentError: no earlier study with a complete trial, or nothing to widen.
        StoreError: a study whose trials cannot be read.
    """
    home, last, study = _last_study(experiment, folder, storage)
    found = at_bounds(last, study)
    if not found:
        raise ExperimentError(
            f"nothing to widen: the best trial of {home.name} sits at no bound that could be moved; "
            "run without widening"
        )
    known = {path: range_ for path, (range_, _) in ranges(last).items()} | {at.name: at.wider for at in found}
    wide = replaced(experiment, lambda range_, where: _hull(range_, known.get(where.path)))
    before, after = ranges(experiment), ranges(wide)
    moved = {path: (before[path][0], range_) for path, (range_, _) in after.items() if range_ != before[path][0]}
    numbers = {path: ends for path, ends in moved.items() if isinstance(ends[1], Float | Int)}
    if not numbers:
        at = ", ".join(each.name for each in found)
        raise ExperimentError(
            f"nothing to widen: the best trial of {home.name} sat at a bound of {at}, "
            "which this experiment does not search, or searches further already; run without widening"
        )
    return Widening(wide, home.name, numbers)


def _last_study(experiment: Searchable, folder: Path, storage: str | None) -> tuple[Path, Searchable, optuna.Study]:
    for home in folders(folder, experiment.name):
        file = home / EXPERIMENT
        if file.exists():
            study = earlier(home, storage)
            if any(trial.state is optuna.trial.TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
                return home, experiment.restored(file.read_text()), study
    raise ExperimentError(
        f"nothing to widen: no study of {experiment.name} with a complete trial is in {folder.absolute()}; "
        "run without widening first, or give the folder of its studies"
    )


def _hull(range_: Range, other: Range | None) -> Range:
    """Return the smallest range that holds both; the first, if they are not searched on the same axis or in step."""
    if not isinstance(range_, Float | Int) or type(other) is not type(range_):
        return range_
    assert isinstance(other, Float | Int)
    hull = with_ends(range_, min(range_.low, other.low), max(range_.high, other.high))
    on_one_axis = with_ends(other, hull.low, hull.high) == hull
    in_step = isinstance(range_, Float) or (range_.low - other.low) % range_.step == 0
    return hull if on_one_axis and in_step else range_
