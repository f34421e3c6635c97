"""A study that begins with the trials of an earlier one: those that could have been its own."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from tunelab import Choice, Experiment, Float, Int, Study
from tunelab.errors import ExperimentError, StoreError
from tunelab.optimizers import SGD, Adam, Lion, Momentum
from tunelab.study import resume
from tunelab.study.carried import FROM, carried
from tunelab.study.engine import trial_seed
from tunelab.study.study_file import StudyFile
from tunelab.tracking import MemoryTracker

from .rig import bowl, search, story, wine

RATE = Float(1e-3, 0.1, log=True)


RULES = Choice(SGD.search(lr=RATE), Momentum.search(lr=RATE))


def first(folder: Path) -> Study:
    return search(bowl(optimizer=RULES), folder, trials=12)


def numbers(trial: FrozenTrial) -> dict[str, float]:
    return {name: value for name, value in trial.params.items() if isinstance(value, float)}


def origins(study: Study) -> list[str]:
    return [trial.user_attrs[FROM] for trial in study.optuna.trials if FROM in trial.user_attrs]


def test_more_of_the_same_carries_every_trial_over_and_counts_on(tmp_path: Path) -> None:
    before = first(tmp_path)
    after = search(bowl(optimizer=RULES), tmp_path, trials=5, extend=before.name)
    assert after.experiment == before.experiment, "17 trials search no less than 12 did"
    assert origins(after) == [f"bowl-1/{number}" for number in range(12)]
    for old, new in zip(before.optuna.trials, after.optuna.trials, strict=False):
        assert (new.distributions, new.value) == (old.distributions, old.value)
        assert {name: pytest.approx(value, rel=1e-14) for name, value in numbers(new).items()} == numbers(old)
        assert new.state is TrialState.COMPLETE
    assert [each.trial.number for each in after.trials] == list(range(12, 17))
    assert [each.trial.seed for each in after.trials] == [trial_seed(0, number) for number in range(12, 17)]


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_not_the_same_points_are_drawn_again(sampler: str, tmp_path: Path) -> None:
    experiment = bowl(optimizer=SGD.search(lr=RATE))
    before = search(experiment, tmp_path, trials=8, sampler=sampler)
    after = search(experiment, tmp_path, trials=8, sampler=sampler, extend=before.name)
    points = [trial.params["optimizer.lr"] for trial in after.optuna.trials]
    assert len(set(points)) == 16, "nor are the defaults, which the first study tried"


def test_a_space_that_grew_takes_all_and_one_that_shrank_what_lies_in_it(tmp_path: Path) -> None:
    before = first(tmp_path)
    wide = Choice(SGD.search(lr=Float(1e-4, 1.0, log=True)), Momentum.search(lr=RATE), Lion)
    grown = search(bowl(optimizer=wide), tmp_path, trials=2, extend=before.name)
    assert len(origins(grown)) == 12
    assert {trial.params["optimizer"] for trial in grown.optuna.trials[:12]} == {"sgd", "momentum"}
    small = Float(1e-2, 5e-2, log=True)
    shrunk = search(bowl(optimizer=SGD.search(lr=small)), tmp_path, trials=2, extend=before.name)
    inside = [
        f"bowl-1/{trial.number}"
        for trial in before.optuna.trials
        if trial.params["optimizer"] == "sgd" and 1e-2 <= trial.params["optimizer.sgd.lr"] <= 5e-2
    ]
    assert 0 < len(inside) < 12
    assert origins(shrunk) == inside
    assert {name for trial in shrunk.optuna.trials for name in trial.params} == {"optimizer.lr"}


def test_what_was_fixed_may_be_searched_and_what_was_searched_fixed(tmp_path: Path) -> None:
    before = search(bowl(optimizer=SGD(lr=0.1), epochs=Choice(2, 3)), tmp_path, trials=6, sampler="random")
    opened = search(bowl(optimizer=SGD.search(lr=RATE), epochs=Int(1, 4)), tmp_path, trials=1, extend=before.name)
    assert len(origins(opened)) == 6
    assert {trial.params["optimizer.lr"] for trial in opened.optuna.trials[:6]} == {0.1}
    closed = search(bowl(optimizer=SGD.search(lr=RATE), epochs=3), tmp_path, trials=1, extend=before.name)
    longer = [f"bowl-1/{trial.number}" for trial in before.optuna.trials if trial.params["epochs"] == 3]
    assert origins(closed) == longer
    assert any(note == f"not carried over: {6 - len(longer)}, as epochs is 3 now" for note in closed.notes)


def test_it_says_what_is_carried_over_what_is_not_and_what_has_changed(tmp_path: Path) -> None:
    before = first(tmp_path)
    now = bowl(optimizer=Choice(SGD.search(lr=Float(1e-3, 1.0, log=True)), Lion))
    after = search(now, tmp_path, trials=2, extend=before.name)
    gone = sum(trial.params["optimizer"] == "momentum" for trial in before.optuna.trials)
    assert after.notes[0] == f"extends bowl-1: {12 - gone} of its 12 trials that ended well are carried over"
    why = "the recorded optimizer is 'momentum', and the experiment has only: sgd, lion"
    assert after.notes[1] == f"not carried over: {gone}, as {why}"
    assert "optimizer: sgd, momentum then, sgd, lion now" in after.notes
    assert "optimizer.sgd.lr: Float(0.001, 0.1, log=True) then, Float(0.001, 1.0, log=True) now" in after.notes


def test_pruned_trials_come_with_their_reports_and_failed_ones_stay(tmp_path: Path) -> None:
    rates = bowl(optimizer=SGD.search(lr=RATE), epochs=9)
    before = search(rates, tmp_path, trials=30, pruner="median", sampler="random")
    states = [trial.state for trial in before.optuna.trials]
    assert TrialState.PRUNED in states
    before.optuna.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    after = search(rates, tmp_path, trials=6, pruner="median", sampler="random", extend=before.name)
    assert [trial.state for trial in after.optuna.trials[:30]] == states
    for old, new in zip(before.optuna.trials[:30], after.optuna.trials, strict=False):
        assert new.intermediate_values == old.intermediate_values


def test_a_better_trial_of_before_is_named(tmp_path: Path) -> None:
    before = first(tmp_path)
    assert before.best is not None
    slow = bowl(optimizer=SGD.search(lr=RATE))
    after = search(slow, tmp_path, trials=1, sampler="random", extend=before.name)
    assert after.best is not None
    kept = min(trial.value for trial in after.optuna.trials[:-1])
    better = [note for note in after.notes if "is better than all of these" in note]
    assert bool(better) == (kept < after.best.value)
    assert better
    assert better[0].startswith("bowl-1/")


def test_an_extension_is_extended(tmp_path: Path) -> None:
    before = first(tmp_path)
    middle = search(bowl(optimizer=RULES), tmp_path, trials=3, extend=before.name)
    after = search(bowl(optimizer=RULES), tmp_path, trials=1, extend=middle.name)
    assert origins(after) == [f"bowl-1/{number}" for number in range(12)] + [f"bowl-2/{n}" for n in (12, 13, 14)]


def test_it_is_resumed_though_the_earlier_study_is_gone(tmp_path: Path) -> None:
    before = search(wine(), tmp_path, trials=6)
    whole = search(wine(), tmp_path, trials=12, extend=before.name)

    def watch(snapshot: Any) -> None:
        if snapshot.done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(wine(), tmp_path, trials=12, extend=before.name, watch=watch)
    for path in before.folder.iterdir():
        if path.is_file():
            path.unlink()
    again = resume(tmp_path / "wine-3", executor="inline", tracker=MemoryTracker())
    assert story(again) == story(whole)
    assert len(carried(again.folder)) == 6
    assert StudyFile.load(again.folder).extends == "wine-1"


def test_a_tracker_is_told(tmp_path: Path) -> None:
    before, tracker = first(tmp_path), MemoryTracker()
    search(bowl(optimizer=RULES), tmp_path, trials=1, extend=before.name, tracker=tracker)
    assert tracker.study is not None
    assert tracker.study.settings["extends"] == "bowl-1"


# ---- what cannot be extended


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"steps_per_epoch": 5}, "steps_per_epoch"),
        ({"maximize": "loss"}, "maximize"),
        ({"diverged_above": 7.0}, "diverged_above"),
    ],
)
def test_trials_that_would_come_out_otherwise_are_not_carried_over(
    fields: dict[str, Any], what: str, tmp_path: Path
) -> None:
    before = first(tmp_path)
    with pytest.raises(ExperimentError, match=f"bowl-1 cannot be extended: {what} differ"):
        search(bowl(**fields), tmp_path, extend=before.name)
    assert not (tmp_path / "bowl-2").exists()


def test_other_rows_are_others(tmp_path: Path) -> None:
    rows = wine().data.load()
    before = search(wine(data=(rows.x, rows.y)), tmp_path, trials=2)
    moved = rows.x.copy()
    moved[3, 1] += 1e-6
    with pytest.raises(ExperimentError, match="wine-1 cannot be extended: the rows of data differ"):
        search(wine(data=(moved, rows.y)), tmp_path, extend=before.name)


def test_mistakes_are_told(tmp_path: Path) -> None:
    before = first(tmp_path)
    with pytest.raises(StoreError, match=r"bowl-7 is no study's folder: .* Known: bowl-1"):
        search(bowl(), tmp_path, extend="bowl-7")
    with pytest.raises(ExperimentError, match=r"no trial of bowl-1 can be carried over \(.*\); run the experiment"):
        search(bowl(optimizer=Adam), tmp_path, extend=before.name)
    with pytest.raises(ExperimentError, match="a study that is joined has its trials already"):
        search(bowl(), tmp_path, extend=before.name, join="bowl-1", storage=f"sqlite:///{tmp_path}/a.db")
    grid = bowl(optimizer=SGD(lr=0.1), epochs=Choice(1, 2))
    walked = search(grid, tmp_path, sampler="grid")
    with pytest.raises(ExperimentError, match="every point of the grid was tried before"):
        search(grid, tmp_path, sampler="grid", extend=walked.name)


def test_a_grid_goes_on_where_it_grew(tmp_path: Path) -> None:
    def grid(*epochs: int) -> Experiment:
        return bowl(optimizer=SGD(lr=0.1), epochs=Choice(*epochs))

    before = search(grid(1, 2), tmp_path, sampler="grid")
    after = search(grid(1, 2, 3), tmp_path, sampler="grid", extend=before.name)
    assert [each.trial.params["epochs"] for each in after.trials] == [3]
