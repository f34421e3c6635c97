"""Go on from an earlier study when more is to be searched, less, or the same for longer.

An Optuna study cannot change what it searches. So a new one begins, with every trial of the earlier one that could
have been its own: one whose hyperparameters the new experiment could have drawn, and would train with in the same way.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from tunelab.contracts import Value
from tunelab.drawing import alternatives
from tunelab.errors import ExperimentError
from tunelab.searchable import Searchable
from tunelab.space import Choice, Float, Int, Range
from tunelab.study.carried import FROM
from tunelab.study.changes import Change
from tunelab.study.earlier import earlier
from tunelab.study.ranges import ranges
from tunelab.study.recorded_suggest import RecordedSuggest
from tunelab.study.resume import experiment_of
from tunelab.study.study_file import StudyFile
from tunelab.study.suggest import OptunaSuggest, optuna_name, to_optuna

_NONE = "none"


@dataclass(frozen=True)
class Extension:
    """What a new study takes over from an earlier one.

    Attributes:
        after: the earlier study.
        carried: its trials that the new one begins with, as the new one would have sampled them.
        left: how many could not be taken over, by reason.
        changed: what is searched otherwise than there.
    """

    after: str
    carried: tuple[FrozenTrial, ...]
    left: Mapping[str, int]
    changed: tuple[Change, ...]

    def lines(self) -> Iterator[str]:
        """Yield what a person should know: what is carried over, what is not and why, and what has changed."""
        total = len(self.carried) + sum(self.left.values())
        yield f"extends {self.after}: {len(self.carried)} of its {total} trials that ended well are carried over"
        yield from (f"not carried over: {count}, as {reason}" for reason, count in self.left.items())
        yield from map(str, self.changed)


def trials_before(home: Path, storage: str | None) -> int:
    """Return how many trials of an earlier study ended well: they count for how much is worth searching.

    Raises:
        StoreError: no such study, or one whose trials cannot be read.
    """
    StudyFile.load(home)
    return len(_ended(earlier(home, storage)))


def extension(experiment: Searchable, home: Path, storage: str | None, data: str | None) -> Extension:
    """Return what a study of this experiment takes over from an earlier one.

    Args:
        experiment: what is searched now.
        home: the earlier study's folder.
        storage: the Optuna URL of a study without a journal in its folder.
        data: the fingerprint of the rows that the experiment trains on.

    Raises:
        StoreError: no such study, or one whose trials cannot be read.
        ExperimentError: one that trained otherwise, so that no trial of it says anything of this experiment; or one
            without a trial that can be taken over.
    """
    file = StudyFile.load(home)
    before = experiment_of(home, experiment)
    _check_alike(home.name, before, experiment, file.data, data)
    found, left = [], Counter[str]()
    for trial in _ended(earlier(home, storage)):
        try:
            found.append(_as_own(trial, before, experiment, home.name))
        except ExperimentError as error:
            left[str(error)] += 1
    changed = tuple(_changed(before, experiment))
    if not found:
        why = "; ".join(left) or "it has none that ended"
        raise ExperimentError(f"no trial of {home.name} can be carried over ({why}); run the experiment without it")
    return Extension(home.name, tuple(found), left, changed)


def _check_alike(name: str, before: Searchable, now: Searchable, old_data: str | None, data: str | None) -> None:
    """Raise unless the same hyperparameters and seed would give the same trial."""
    old, new = (_fixed(each) for each in (before, now))
    others = [field for field in sorted({*old, *new}) if old.get(field) != new.get(field)]
    if old_data != data and "data" not in others:
        others.append("the rows of data")
    if others:
        raise ExperimentError(
            f"{name} cannot be extended: {', '.join(others)} differ, so that none of its trials would come out the "
            "same now; run the experiment without it"
        )


def _fixed(experiment: Searchable) -> dict[str, Any]:
    """Return the fields that hold nothing a trial draws; a name says nothing of the training."""
    fields = json.loads(experiment.to_json())
    return {field: value for field, value in fields.items() if field not in {*experiment.nodes, "name"}}


def _ended(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _as_own(trial: FrozenTrial, before: Searchable, now: Searchable, study: str) -> FrozenTrial:
    """Return an earlier trial as the new study would have sampled it.

    Raises:
        ExperimentError: it would not.
    """
    params = before.draw(OptunaSuggest(FixedTrial(trial.params)))  # type: ignore[arg-type]
    suggest = _Carried(params)
    _check_equal(params, now.draw(suggest))
    sampled = FixedTrial(suggest.told)
    now.draw(OptunaSuggest(sampled))  # type: ignore[arg-type]
    return create_trial(
        state=trial.state,
        value=trial.value,
        params=sampled.params,
        distributions=sampled.distributions,
        intermediate_values=trial.intermediate_values,
        user_attrs={FROM: trial.user_attrs.get(FROM, f"{study}/{trial.number}")},
    )


def _check_equal(before: Mapping[str, Value], now: Mapping[str, Value]) -> None:
    for name in {**before, **now}:
        then, today = str(before.get(name, _NONE)), str(now.get(name, _NONE))
        if then != today:
            raise ExperimentError(f"{name} is {today} now")


class _Carried(RecordedSuggest):
    """Suggests what an earlier trial had, where it may still be drawn.

    Args:
        params: that trial's flat hyperparameters.
    """

    def __init__(self, params: Mapping[str, Value]) -> None:
        super().__init__({name: str(value) for name, value in params.items()})
        self.told: dict[str, Any] = {}

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        """Return the trial's number; raise if it lies outside the range."""
        value = super().number(name, within, default)
        inside = value in within.grid() if isinstance(within, Int) else within.low <= value <= within.high
        if not inside:
            raise ExperimentError(f"{name} lies outside {within}")
        self.told[optuna_name(name, within)] = to_optuna(value, within)
        return value

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        """Return the trial's alternative; raise if there is none like it."""
        label = super().option(name, labels, default)
        self.told[name] = label
        return label


def _changed(before: Searchable, now: Searchable) -> Iterator[Change]:
    """Yield the ranges that are others, that are new, and that are gone."""
    old, new = ({path: _text(range_) for path, (range_, _) in ranges(each).items()} for each in (before, now))
    for path in {**old, **new}:
        then, today = old.get(path, "not searched"), new.get(path, "not searched")
        if then != today:
            yield Change(path, then, today)


def _text(range_: Range) -> str:
    return ", ".join(map(str, alternatives(range_))) if isinstance(range_, Choice) else str(range_)
