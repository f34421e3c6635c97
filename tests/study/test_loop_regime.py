"""A study of a person's own loop: everything that holds of an experiment, and what only a loop can do."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from tunelab import Choice, Float, Int, Trial, experiment
from tunelab.checkpoint import Checkpoint
from tunelab.errors import AllTrialsFailed, ExperimentError, RunError
from tunelab.loop import Loop
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, resume
from tunelab.tracking.memory import MemoryTracker
from tunelab.trial import STOPPED, State

from .rig import curves_of, held, in_state, search, seeds, story
from .test_engine import at, interrupt

LR = Float(1e-3, 0.1, log=True)
EPOCHS = 8


@experiment(lr=LR, power=Choice(1, 2), minimize="loss")
def descent(trial: Trial) -> Iterator[Any]:
    """Gradient descent on x**2 from a random start."""
    x = np.random.default_rng(trial.seed).uniform(1, 2)
    for _ in range(EPOCHS):
        x -= trial.params["lr"] * 2 * x ** (2 * trial.params["power"] - 1)
        yield {"loss": x**2, "x": np.float32(x)}


def loop_of(function: Any, **words: Any) -> Loop:
    return experiment(**({"lr": LR, "minimize": "loss"} | words))(function)


# ---- the same study as of any experiment


def test_a_study_of_a_loop_has_all_that_a_study_has(tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=12, seed=3)
    assert (study.name, len(study.trials)) == ("descent-1", 12)
    assert {result.state for result in study.trials} == {State.COMPLETE}
    assert all(given == wanted for given, wanted in seeds(study, 3))
    for result in study.trials:
        losses = result.curves["loss"]
        assert losses.epochs == tuple(range(1, EPOCHS + 1))
        assert result.value == losses.values[-1]
        assert [report["loss"] for report in descent(result.trial)] == list(losses.values)
    assert study.best is not None
    assert study.best.trial == min(study.trials, key=lambda result: result.value or 0.0).trial
    assert Loop.from_json((study.folder / "experiment.json").read_text()) == descent
    assert study.optuna.user_attrs["tunelab.experiment_hash"] == descent.hash
    assert len(held(study.folder, study.name)) == 12


def test_the_first_trial_lies_in_the_middle(tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=2)
    assert study.trials[0].trial.params == {"lr": pytest.approx(0.01), "power": 1}


def test_the_first_trials_are_the_plugins_own_defaults(tmp_path: Path) -> None:
    loop = loop_of(lambda_free, rule=Choice(SGD, Adam))
    study = search(loop, tmp_path, trials=3)
    assert [result.trial.params["rule"] for result in study.trials[:2]] == ["sgd", "adam"]
    assert study.trials[1].trial.params["rule.lr"] == Adam().lr
    assert [held.name for held in study.held] == ["rule.beta1", "rule.beta2", "rule.eps"]


def lambda_free(trial: Trial) -> Iterator[Any]:
    yield {"loss": trial.params["lr"]}


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_a_worker_process_gives_the_same_study_as_this_process(pruner: str, tmp_path: Path) -> None:
    here = search(descent, tmp_path / "a", trials=15, pruner=pruner, seed=1)
    there = search(descent, tmp_path / "b", trials=15, pruner=pruner, seed=1, executor="process")
    assert story(here) == story(there)


def test_a_grid_is_laid_over_its_ranges(tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=None, timeout=60, sampler="grid")
    assert len(study.trials) == 10
    assert {result.trial.params["lr"] for result in study.trials} == {LR.at(unit / 4) for unit in range(5)}


def test_a_loop_without_a_parameter_runs_with_its_seeds(tmp_path: Path) -> None:
    @experiment(minimize="loss")
    def seeded(trial: Trial) -> Iterator[Any]:
        yield {"loss": np.random.default_rng(trial.seed).random()}

    study = search(seeded, tmp_path, trials=4)
    assert len({result.value for result in study.trials}) == 4


def test_a_best_value_at_a_bound_is_told_and_widened(tmp_path: Path) -> None:
    low = Float(1e-6, 1e-5, log=True)
    rate = loop_of(sinking, lr=low, width=Int(4, 8), share=Float(0, 0.5))
    study = search(rate, tmp_path, trials=20)
    found = {at.name: at.wider for at in study.at_bounds}
    assert found == {"lr": Float(1e-6, 1e-4, log=True), "width": Int(1, 8)}, "a share does not go below zero"
    again = search(rate, tmp_path, trials=5, widen=True)
    assert again.experiment.nodes == rate.nodes | found
    assert again.experiment.function is rate.function
    assert again.name == "sinking-2"


def sinking(trial: Trial) -> Iterator[Any]:
    params = trial.params
    yield {"loss": -np.log10(params["lr"]) + params["width"] + params["share"] * 0.01}


# ---- pruning


SEEN: list[tuple[str, int]] = []


@experiment(lr=LR, minimize="loss")
def watched(trial: Trial) -> Iterator[Any]:
    """Later trials are worse; what happens to each is noted."""
    try:
        for epoch in range(EPOCHS):
            SEEN.append(("trained", trial.number))
            yield {"loss": float(trial.number) - epoch / 100}
    finally:
        SEEN.append(("finally", trial.number))


def test_a_trial_that_is_pruned_is_closed_and_trains_no_further(tmp_path: Path) -> None:
    SEEN.clear()
    study = search(watched, tmp_path, trials=12, pruner=optuna.pruners.MedianPruner(n_startup_trials=3))
    pruned = in_state(study, State.PRUNED)
    assert len(pruned) > 5
    for result in study.trials:
        number, reports = result.trial.number, len(result.curves["loss"].epochs)
        assert SEEN.count(("trained", number)) == reports, "not one epoch after its last report"
        assert SEEN.count(("finally", number)) == 1
        if result.state is State.PRUNED:
            assert (reports, result.reason, result.value) == (1, STOPPED, None)
            assert study.optuna.trials[number].state is TrialState.PRUNED
    order = [number for what, number in SEEN if what == "finally"]
    assert order == sorted(order), "one after another"


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
def test_other_pruners_do(pruner: str, tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=30, pruner=pruner)
    assert in_state(study, State.PRUNED)
    assert in_state(study, State.COMPLETE)


def test_without_a_pruner_the_worker_always_has_a_trial_more(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    search(descent, tmp_path, trials=8, watch=seen.append)
    assert max(each.running + each.waiting for each in seen) == 2
    seen.clear()
    search(descent, tmp_path, trials=8, watch=seen.append, pruner="median")
    assert max(each.running + each.waiting for each in seen) == 1, "with one, nothing is asked for before it must be"


# ---- when all does not go well


def unlucky(trial: Trial) -> Iterator[Any]:
    for epoch in range(3):
        if trial.number % 3 == 1 and epoch == 1:
            raise RuntimeError("out of luck")
        loss = float("nan") if trial.number % 3 == 2 and epoch == 2 else 1.0 / (epoch + 1)
        yield {"loss": loss}


def test_a_trial_that_raises_or_diverges_stops_no_other(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    study = search(loop_of(unlucky), tmp_path, trials=9, tracker=tracker)
    states = [result.state for result in study.trials]
    assert states == [State.COMPLETE, State.FAILED, State.DIVERGED] * 3
    failed, diverged = study.trials[1], study.trials[2]
    assert failed.why is not None
    assert failed.why.startswith("RuntimeError: out of luck (test_loop_regime.py, line ")
    assert "Traceback" in (failed.reason or "")
    attributes = study.optuna.trials[1].user_attrs
    assert attributes == {"state": "failed", "reason": failed.reason}, "the whole of it"
    assert tracker.trials[1].reason == failed.reason
    assert diverged.reason == "loss was nan in report 3"
    assert diverged.curves["loss"].epochs == (1, 2)
    assert list(study.frame().reason[1:3]) == [failed.why, diverged.reason]


def test_a_loop_that_always_fails_the_same_way_ends_the_study_early(tmp_path: Path) -> None:
    def wrong(trial: Trial) -> Iterator[Any]:
        yield {"los": float(trial.number)}

    with pytest.raises(AllTrialsFailed) as caught:
        search(loop_of(wrong), tmp_path, trials=500)
    said = str(caught.value)
    assert "all failed the same way, as trial 0 did: report 1 has no 'loss', the objective" in said
    assert "test_loop_regime.py, line " in said
    assert "\n" not in said


def test_a_study_in_which_no_trial_completes_names_the_first(tmp_path: Path) -> None:
    def raising(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        raise KeyError("rate")

    with pytest.raises(AllTrialsFailed) as caught:
        search(loop_of(raising), tmp_path, trials=3)
    assert "the most frequent reason, first in trial 0: KeyError: 'rate' (test_loop_regime.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metrics_may_come_and_go(tmp_path: Path) -> None:
    def gaps(trial: Trial) -> Iterator[Any]:
        for epoch in range(1, 6):
            yield {"loss": 1.0 / epoch} | ({"accuracy": epoch / 10} if epoch % 2 == 0 else {})

    study = search(loop_of(gaps), tmp_path, trials=2)
    curves = study.trials[0].curves
    assert (curves["loss"].epochs, curves["accuracy"].epochs) == ((1, 2, 3, 4, 5), (2, 4))
    assert study.trials[0].metrics == {"loss": 0.2, "accuracy": 0.4}


def test_a_metric_of_a_parameters_name_hides_nothing_in_the_frame(tmp_path: Path) -> None:
    def decaying(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0, "lr": 0.0, "seconds": 7.0}

    study = search(loop_of(decaying), tmp_path, trials=2)
    frame = study.frame()
    assert list(frame.lr) == [result.trial.params["lr"] for result in study.trials]
    assert list(frame["last lr"]) == [0.0, 0.0]
    assert list(frame["last seconds"]) == [7.0, 7.0]


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_ctrl_c_closes_what_runs_and_keeps_what_is_finished(executor: str, tmp_path: Path) -> None:
    def marked(trial: Trial) -> Iterator[Any]:
        try:
            for epoch in range(1, 4 + 1000 * trial.number):
                yield {"loss": 1.0 / epoch}
        finally:
            (tmp_path / f"finally-{trial.number}").touch()

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done and snapshot.running:
            interrupt()

    tracker = MemoryTracker()
    with pytest.raises(KeyboardInterrupt):
        search(loop_of(marked), tmp_path, trials=50, tracker=tracker, executor=executor, watch=watch)
    assert (tmp_path / "finally-1").exists(), "it ran"
    assert not (tmp_path / "finally-2").exists(), "it waited"
    assert [tracked.state for tracked in tracker.trials.values()] == [
        State.COMPLETE, State.INTERRUPTED, State.INTERRUPTED,
    ]  # fmt: skip
    assert {trial.state for trial in held(tmp_path / "marked-1", "marked-1")} == {TrialState.COMPLETE, TrialState.FAIL}


def test_a_loop_has_no_population(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError,
        match=r"population=4 \(--population 4\): descent is a loop of its own, whose trials run one after",
    ):
        search(descent, tmp_path, population=4)
    assert not list(tmp_path.iterdir())


def test_what_cannot_travel_is_named_before_a_worker_starts(tmp_path: Path) -> None:
    file = (tmp_path / "open").open("w")

    def holding(trial: Trial) -> Iterator[Any]:
        file.write("x")
        yield {"loss": 1.0}

    with file, pytest.raises(ExperimentError, match=r"cannot travel to its own process: .*inside the function, or tra"):
        search(loop_of(holding), tmp_path, executor="process")


# ---- checkpoints


def saving(trial: Trial) -> Iterator[Any]:
    assert trial.checkpoint is not None
    for epoch in range(3):
        trial.checkpoint.save(number=trial.number, epoch=epoch, weights=np.full(3, epoch))
        if trial.number == 4:
            raise RuntimeError("with a checkpoint")
        yield {"loss": abs(trial.number - 5.0) + (100 if trial.number == 3 else 0)}


def kept(study_folder: Path) -> set[str]:
    return {path.name for path in (study_folder / "checkpoints").iterdir()}


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_only_the_best_trials_checkpoint_is_kept(executor: str, tmp_path: Path) -> None:
    seen: list[set[str]] = []

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done and (tmp_path / "saving-1" / "checkpoints").exists():
            seen.append(kept(tmp_path / "saving-1"))

    study = search(loop_of(saving), tmp_path, trials=9, executor=executor, watch=watch, pruner="none")
    assert kept(study.folder) == {"trial-5"}
    assert max(map(len, seen)) <= 3, "that of the best, and of those that run"
    found = study.best_checkpoint().load()
    assert found is not None
    assert (found["number"], found["epoch"], found["weights"].tolist()) == (5, 2, [2, 2, 2])


def test_a_trial_that_is_interrupted_keeps_its_checkpoint(tmp_path: Path) -> None:
    def long(trial: Trial) -> Iterator[Any]:
        assert trial.checkpoint is not None
        for epoch in range(2 + 10**6 * (trial.number > 1)):
            trial.checkpoint.save(epoch=epoch)
            yield {"loss": 1.0 + trial.number}

    with pytest.raises(KeyboardInterrupt):
        search(loop_of(long), tmp_path, trials=5, watch=lambda snapshot: at(2, interrupt)(snapshot))
    assert "trial-0" in kept(tmp_path / "long-1")
    folder = tmp_path / "long-1" / "checkpoints"
    for name in kept(tmp_path / "long-1"):
        assert Checkpoint(folder / name).load() is not None


def test_a_study_without_checkpoints_or_models_says_how_to_have_them(tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=2)
    with pytest.raises(RunError, match=r"the best trial of descent-1, \d, saved no checkpoint"):
        study.best_checkpoint()
    with pytest.raises(
        RunError, match=r"a loop, which keeps its own models: let it call trial.checkpoint.save\(\.\.\.\)"
    ):
        study.best_model()


# ---- what runs where


def test_a_worker_that_runs_a_loop_imports_neither_optuna_nor_mlflow(tmp_path: Path) -> None:
    def looking(trial: Trial) -> Iterator[Any]:
        heavy = {"optuna", "mlflow", "torch", "pandas", "sqlalchemy", "typer", "rich", "tunelab.study"}
        yield {"loss": float(len(heavy & set(sys.modules))), "pid": os.getpid()}

    study = search(loop_of(looking), tmp_path, trials=2, executor="process")
    assert study.trials[0].curves["loss"].values == (0.0,)
    assert study.trials[0].curves["pid"].values != (os.getpid(),)


def test_a_loop_that_kills_its_process_ends_the_study_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fatal(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        os._exit(4)

    from tunelab.errors import WorkerError

    with pytest.raises(WorkerError, match="ended with code 4"):
        search(loop_of(fatal), tmp_path, executor="process")
    assert {trial.state for trial in held(tmp_path / "fatal-1", "fatal-1")} == {TrialState.FAIL}


def test_curves_are_those_of_the_loop_alone(tmp_path: Path) -> None:
    study = search(descent, tmp_path, trials=6, executor="process")
    for result in study.trials:
        assert curves_of(result)["loss"] == [report["loss"] for report in descent(result.trial)]


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_loop_that_was_changed_goes_on_and_the_study_says_so(is_changed: bool, tmp_path: Path) -> None:
    def changed(trial: Trial) -> Iterator[Any]:
        yield from descent.function(trial)

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(descent, tmp_path, trials=6, watch=watch)
    loop = Loop.from_json(descent.to_json(), function=changed) if is_changed else descent
    study = resume(tmp_path / "descent-1", loop, executor="inline", tracker=MemoryTracker())
    said = "the function of descent has changed since descent-1 began: compare its trials with care"
    assert study.notes == ((said,) if is_changed else ())
