"""Pruners prune, the same trials every time, and Optuna is told the last value."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tunelab.errors import ExperimentError
from tunelab.study.pruners import BY_NAME, pruner_of
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import State

from .rig import held, in_state, search, story, wine

EXPERIMENT = wine(epochs=12)


@pytest.mark.parametrize("pruner", sorted(set(BY_NAME) - {"none"}))
def test_a_pruner_prunes_the_same_trials_every_time(pruner: str, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    one = search(EXPERIMENT, tmp_path / "a", pruner=pruner, trials=40, population=8, tracker=tracker)
    same = search(EXPERIMENT, tmp_path / "b", pruner=pruner, trials=40, population=8)
    assert story(one) == story(same)
    pruned = in_state(one, State.PRUNED)
    assert pruned
    assert in_state(one, State.COMPLETE)
    trials = held(one.folder, one.name)
    for result in pruned:
        trial, curve = trials[result.trial.number], result.curves["val_accuracy"]
        assert trial.state is TrialState.PRUNED
        assert trial.value == curve.values[-1]
        assert trial.intermediate_values == dict(zip(curve.epochs, curve.values, strict=True))
        assert len(curve.epochs) < 12
        assert (result.value, result.reason) == (None, "stopped by the pruner")
        assert tracker.trials[result.trial.number].state is State.PRUNED


def test_without_a_pruner_every_trial_trains_to_its_end(tmp_path: Path) -> None:
    study = search(EXPERIMENT, tmp_path, trials=10)
    assert all(len(result.curves["val_loss"].epochs) == 12 for result in study.trials)


def test_a_trial_is_not_pruned_in_its_last_epoch(tmp_path: Path) -> None:
    class Always(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return True

    study = search(wine(epochs=1), tmp_path, pruner=Always(), trials=6)
    assert study.counts()[State.COMPLETE] == 6


def test_a_pruner_of_optunas_own_may_be_given(tmp_path: Path) -> None:
    given = optuna.pruners.PercentilePruner(50, n_startup_trials=1)
    assert pruner_of(given) is given
    study = search(EXPERIMENT, tmp_path, pruner=given, trials=20, population=4)
    assert in_state(study, State.PRUNED)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("medain", r"no pruner named 'medain'; did you mean 'median'\? Known: asha, hyperband, median, none"),
        (None, r"a pruner is a name or an Optuna pruner \(an instance, not a class\), was None"),
        (optuna.pruners.MedianPruner, "not a class"),
    ],
)
def test_what_is_no_pruner_is_refused(given: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=says):
        search(EXPERIMENT, tmp_path, pruner=given)
