"""A study from start to end: what it holds is true."""

import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tunelab import Choice, Experiment, Float, Int, TrainedModel, Trial
from tunelab import experiment as as_experiment
from tunelab.errors import AllTrialsFailed, ExperimentError, RunError, StoreError, WorkerError
from tunelab.executors.inline import InlineExecutor
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, Study
from tunelab.study.engine import Engine
from tunelab.study.prepare import prepare
from tunelab.tracking.memory import MemoryTracker
from tunelab.training.weights_file import WEIGHTS
from tunelab.trial import Progress, State

from .rig import alone, bowl, curves_of, flat, flat_bowl, held, search, wine

STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.DIVERGED: TrialState.FAIL,
    State.FAILED: TrialState.FAIL,
}
MIXED = wine(
    optimizer=Choice(SGD.search(lr=Float(1e-3, 1e6, log=True)), Adam),
    schedule=Choice("constant", "step"),
    model=MLP.search(width=Choice(4, 8), depth=1, dropout=Float(0, 0.5)),
    weight_decay=Float(1e-6, 1e-2, log=True),
    clip_norm=Choice(None, 1.0),
    epochs=Int(4, 8, step=2),
    test=0.2,
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, MemoryTracker, list[Snapshot]]:
    """A study with all that may vary, in which trials end in every way."""
    tracker, seen = MemoryTracker(), []
    folder = tmp_path_factory.mktemp("mixed")
    study = search(MIXED, folder, trials=60, pruner="median", tracker=tracker, watch=seen.append, population=4)
    return study, tracker, seen


def test_a_study_holds_what_optuna_holds(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study = mixed[0]
    trials = held(study.folder, study.name)
    assert [result.trial.number for result in study.trials] == [trial.number for trial in trials] == list(range(60))
    assert {result.state for result in study.trials} >= {State.COMPLETE, State.PRUNED, State.DIVERGED}
    for result, trial in zip(study.trials, trials, strict=True):
        assert STATES[result.state] is trial.state
        if result.state is State.COMPLETE:
            assert result.value == trial.value == result.curves["val_accuracy"].values[-1]
        assert trial.user_attrs.get("reason") == (result.reason if trial.state is TrialState.FAIL else None)
        shown = flat(trial.params)
        for name, value in shown.items():
            expected = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert result.trial.params[name] == expected


def test_a_tracker_is_told_what_a_study_holds(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study, tracker, _ = mixed
    assert set(tracker.trials) == set(range(60))
    for result in study.trials:
        told = tracker.trials[result.trial.number]
        assert (told.trial, told.state, told.value, told.reason) == (
            result.trial,
            result.state,
            result.value,
            result.reason,
        )
        assert {name: told.curve(name) for name in result.curves} == result.curves
        assert told.ended is not None
        assert told.started <= told.ended
    record = tracker.study
    assert record is not None
    assert (record.name, record.experiment, record.objective, record.maximize, record.seed, record.folder) == (
        study.name,
        "wine",
        "val_accuracy",
        True,
        0,
        study.folder,
    )
    assert record.experiment_hash == study.experiment.hash
    assert Experiment.from_json(record.experiment_json) == study.experiment
    assert record.settings["pruner"] == "MedianPruner"
    assert tracker.closed


def test_every_curve_is_that_of_the_trial_alone(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    for result in mixed[0].trials[::4]:
        wanted = alone(MIXED, result.trial)
        for name, values in curves_of(result).items():
            assert values == wanted[name][: len(values)], f"trial {result.trial.number}: {name}"
        if result.state is State.COMPLETE:
            assert curves_of(result) == wanted


def test_progress_is_true(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study, _, seen = mixed
    for before, after in pairwise(seen):
        assert after.done >= before.done
        assert after.seconds >= before.seconds
        assert all(after.counts[state] >= before.counts[state] for state in State)
    for each in seen:
        assert each.study == study.name
        assert each.total == 60
        assert each.done + each.running + each.waiting <= 60
    assert (seen[0].done, seen[0].running, seen[0].fullness) == (0, 0, 0)
    for each in seen[1:]:
        assert 0 < each.fullness <= 1
        assert 1 <= each.sharing <= 4
    last = study.progress
    assert last.counts == {state: sum(result.state is state for result in study.trials) for state in State}
    assert (last.done, last.running, last.waiting, last.best) == (60, 0, 0, study.best)
    assert study.first_trial_s is not None
    assert 0 < study.first_trial_s < last.seconds


def test_the_best_is_the_best_of_the_complete(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study, tracker, _ = mixed
    values = [result.value for result in study.trials if result.value is not None]
    assert study.best is not None
    assert study.best.value == max(values) == study.optuna.best_value
    assert tracker.summary is not None
    assert (tracker.summary.best, tracker.summary.best_value) == (study.best.trial.number, study.best.value)


@pytest.mark.parametrize(
    ("side", "metric", "choose"), [("minimize", "val_loss", min), ("maximize", "train_accuracy", max)]
)
def test_the_best_is_on_the_side_that_was_asked_for(side: str, metric: str, choose: Any, tmp_path: Path) -> None:
    study = search(wine(**({"maximize": None} | {side: metric})), tmp_path)
    assert study.best is not None
    assert study.best.value == choose(result.value for result in study.trials) == study.optuna.best_value


def test_the_best_model_predicts_what_the_best_trial_says(tmp_path: Path) -> None:
    experiment = Experiment(
        name="digits", data="digits", model="softmax-regression", optimizer=Choice("sgd", "adam"), epochs=2,
        maximize="val_accuracy", test=0.25,
    )  # fmt: skip
    study = search(experiment, tmp_path, trials=8)
    parts, _ = prepare(experiment)
    model = study.best_model()
    assert study.best is not None
    right = model.predict(parts.x_validation) == np.array(parts.classes)[parts.y_validation]
    assert right.mean() == study.best.value  # digits are not scaled, so these are the rows as they come
    found = model.evaluate(parts.x_validation, parts.y_validation)
    assert found["accuracy"] == study.best.value
    assert found["loss"] == pytest.approx(study.best.metrics["val_loss"], rel=1e-6)


def test_values_are_predicted_in_their_own_units(tmp_path: Path) -> None:
    experiment = Experiment(name="sugar", data="diabetes", model=MLP(width=8), optimizer="adam", epochs=10)
    study = search(experiment, tmp_path, trials=4)
    parts, _ = prepare(experiment)
    rows = parts.x_validation * parts.spread + parts.shift
    wanted = parts.y_validation * parts.target_spread + parts.target_shift
    error = (((study.best_model().predict(rows) - wanted) / parts.target_spread) ** 2).mean()
    assert study.best is not None
    assert study.best.value is not None
    assert error / study.best.value in (pytest.approx(1, rel=1e-4), pytest.approx(2, rel=1e-4))


def test_the_test_part_is_measured_once_on_the_best(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study, tracker, _ = mixed
    parts, _ = prepare(MIXED)
    assert set(study.test) == {"test_loss", "test_accuracy"}
    assert study.test == {
        f"test_{name}": value for name, value in study.best_model().evaluate(parts.x_test, parts.y_test).items()
    }
    assert tracker.summary is not None
    assert tracker.summary.metrics == study.test
    assert not any(name.startswith("test") for result in study.trials for name in result.curves)


def test_without_a_test_part_there_is_no_such_metric(tmp_path: Path) -> None:
    assert search(wine(), tmp_path, trials=3).test == {}


# ---- the model


def test_the_best_trial_gives_its_model_and_no_other_does(mixed: tuple[Study, MemoryTracker, list[Snapshot]]) -> None:
    study, _, _ = mixed
    assert study.best is not None
    model, x = study.best.load(), MIXED.data.load().x
    for again in (study.best_model(), TrainedModel.load(study.folder), TrainedModel.load(study.folder / WEIGHTS)):
        assert np.array_equal(model.outputs_of(x), again.outputs_of(x))
    assert model.seed == study.best.trial.seed
    assert [result.loader for result in study.trials] == [None] * 60
    with pytest.raises(RunError, match="the model of trial 0 is not kept: a study keeps that of its best trial"):
        study.trials[0].load()
    assert pickle.loads(pickle.dumps(study.best)).load().seed == model.seed


def test_only_a_tracker_with_a_registry_registers(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"register='digits' \(--register digits\) needs a model registry, and MemoryTracker has none"
    ):
        search(wine(), tmp_path / "studies", register="digits")
    with pytest.raises(StoreError, match=r"no '/' or ':' in a model's name; say 'my-wine'"):
        search(wine(), tmp_path / "studies", register="my/wine", tracker=None)
    assert not (tmp_path / "studies").exists()


def test_a_loop_registers_its_own_models(tmp_path: Path) -> None:
    @as_experiment(lr=Float(0, 1), minimize="loss")
    def descent(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": 1.0}

    with pytest.raises(
        ExperimentError,
        match=r"register='digits' \(--register digits\): a loop keeps, and may register, its own models",
    ):
        descent.run(trials=1, executor="inline", register="digits", folder=tmp_path)
    study = descent.run(trials=1, executor="inline", tracker=MemoryTracker(), folder=tmp_path)
    with pytest.raises(RunError, match=r"what a loop trains is kept by its own trial\.checkpoint"):
        study.best.load()


def test_a_worker_that_dies_again_and_again_at_the_end_costs_the_test_metrics_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = InlineExecutor.receive

    def dies(self: InlineExecutor) -> Progress:
        if self._orders[0].finish is not None:
            raise WorkerError("the training process 7 ended with code -9")
        return receive(self)

    monkeypatch.setattr(InlineExecutor, "receive", dies)
    study = search(wine(test=0.2), tmp_path, trials=3)
    assert study.test == {}
    (note,) = study.notes
    assert note.startswith("the best trial is neither tested nor exported: the training process 7 ended with code -9")
    assert study.best_model().predict(study.experiment.data.load().x).shape == (178,)


# ---- budgets


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"trials": None}, "give a number of trials, a timeout, or both"),
        ({"trials": 0}, r"trials \(--trials\) must be a whole number above 0, was 0"),
        ({"trials": -1}, r"trials \(--trials\) must be a whole number above 0, was -1"),
        ({"trials": 2.5}, r"trials \(--trials\) must be a whole number above 0, was 2.5"),
        ({"trials": "9"}, r"trials \(--trials\) must be a whole number above 0, was '9'"),
        ({"trials": True}, r"trials \(--trials\) must be a whole number above 0, was True"),
        ({"timeout": 0}, r"timeout \(--timeout\) must be a number above 0, was 0"),
        ({"timeout": -3.5}, r"timeout \(--timeout\) must be a number above 0, was -3.5"),
        ({"timeout": float("nan")}, r"timeout \(--timeout\) must be a number above 0, was nan"),
        ({"population": 0}, r"population \(--population\) must be a whole number above 0, was 0"),
        ({"population": 1.5}, r"population \(--population\) must be a whole number above 0, was 1.5"),
        ({"seed": -1}, r"seed \(--seed\) must be a whole number from 0 to 2\*\*32 - 1, was -1"),
        ({"seed": 2**32}, r"seed \(--seed\) must be"),
        ({"seed": 0.5}, r"seed \(--seed\) must be"),
        ({"seed": None}, r"seed \(--seed\) must be"),
        ({"executor": "threads"}, "no executor named 'threads'; Known: inline, process, ray"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=says):
        search(bowl(), tmp_path / "studies", **settings)
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("trials", [1, 2, 33])
def test_a_study_has_as_many_trials_as_asked_for(trials: int, tmp_path: Path) -> None:
    study = search(bowl(), tmp_path, trials=trials)
    assert len(study.trials) == len(held(study.folder, study.name)) == trials


def test_a_timeout_ends_asking_and_lets_trials_end(tmp_path: Path) -> None:
    study = search(flat_bowl(), tmp_path, trials=None, timeout=1.5, sampler="random")
    assert study.progress.seconds >= 1.5
    assert study.progress.total is None
    assert {result.state for result in study.trials} <= {State.COMPLETE, State.INTERRUPTED}
    assert all("the time was up" in str(result.reason) for result in study.trials if result.value is None)
    trials = held(study.folder, study.name)
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert len(trials) == len(study.trials)


def test_the_best_model_is_that_of_the_best_trial_also_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "_late", property(lambda engine: len(engine.ledger.results) >= 15))
    experiment = wine(
        epochs=Choice(1, 5),
        optimizer="adam",
        batch_size=Choice(8, 16),
        model=MLP.search(width=Choice(4, 16), depth=1),
    )
    study = search(experiment, tmp_path, trials=80, seed=3, population=4, sampler="random")
    parts, _ = prepare(experiment)
    assert study.best is not None
    found = study.best_model().evaluate(parts.x_validation, parts.y_validation)
    assert found["accuracy"] == study.best.value


def test_whichever_budget_is_first_counts(tmp_path: Path) -> None:
    assert len(search(bowl(), tmp_path, trials=5, timeout=60).trials) == 5
    assert len(search(bowl(), tmp_path, trials=10**6, timeout=1.5, sampler="random").trials) < 10**5


def test_a_timeout_too_short_for_one_trial_says_so(tmp_path: Path) -> None:
    with pytest.raises(AllTrialsFailed, match="no trial of bowl-1 was started before the timeout; raise it"):
        search(bowl(), tmp_path, trials=None, timeout=1e-9)


# ---- around it


def test_the_folder_holds_the_study(tmp_path: Path) -> None:
    study = search(wine(), tmp_path, trials=3)
    assert study.folder == tmp_path / "wine-1"
    assert Experiment.from_json((study.folder / "experiment.json").read_text()) == study.experiment
    assert {path.name for path in study.folder.iterdir()} >= {"optuna.journal", "best.safetensors", "experiment.json"}
    assert search(wine(), tmp_path, trials=3).name == "wine-2"


def test_optuna_is_as_loud_afterwards_as_before(tmp_path: Path) -> None:
    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(optuna.logging.INFO)
        search(bowl(), tmp_path, trials=2)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)


def test_a_study_of_nothing_but_seeds_works(tmp_path: Path) -> None:
    study = search(wine(optimizer=Adam(), batch_size=16), tmp_path, trials=5)
    assert len({result.value for result in study.trials} | {result.metrics["val_loss"] for result in study.trials}) > 4
    assert all(trial.params == {} for trial in study.optuna.trials)


def test_arrays_and_functions_of_the_person_are_searched(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    experiment = wine(name="mine", data=(x, (x[:, 0] > 0).astype(int)), batch_size=8)
    assert search(experiment, tmp_path, trials=4, executor="process").best is not None
    norm = bowl(name="norm", model={"plugin": "function", "fields": {"f": "numpy.linalg:norm", "start": [3.0, 4.0]}})
    assert search(norm, tmp_path, trials=4, executor="process").best is not None


def test_the_articles_bowl_follows_its_formula(tmp_path: Path) -> None:
    experiment = Experiment(
        name="bowl", model=Quadratic(), optimizer="gradient-descent", epochs=10, steps_per_epoch=100, dtype="float64"
    )
    study = search(experiment, tmp_path, trials=1)
    curve = study.trials[0].curves["loss"]
    assert study.trials[0].trial.params["optimizer.lr"] == 0.01
    assert curve.values == pytest.approx([0.98 ** (200 * epoch) for epoch in curve.epochs], rel=1e-12)
