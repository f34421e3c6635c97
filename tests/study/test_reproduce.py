"""A trial that `run` wrote into MLflow comes out the same when it is trained again, or it is said what differs."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from tunelab import Choice, Experiment, Float, Study, Trial, experiment
from tunelab.errors import DataError, ExperimentError, StoreError
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam
from tunelab.study import Reproduction, reproduce
from tunelab.trial import Result, State

EPOCHS = 8
METRICS = {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    home = tmp_path_factory.mktemp("reproduce")
    shutil.copy(template, home / "mlflow.db")
    return home


@pytest.fixture(scope="module")
def rows(home: Path) -> Path:
    """A data file of two classes."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 3))
    lines = [f"{a:.6f},{b:.6f},{c:.6f},{'yes' if a + b * c > 0 else 'no'}" for a, b, c in x]
    file = home / "rows.csv"
    file.write_text("\n".join(["a,b,c,kind", *lines]) + "\n")
    return file


@pytest.fixture(scope="module")
def study(home: Path, rows: Path) -> Study:
    """A study of a worker process's, of which some trials are pruned and some diverge."""
    searched = Experiment(
        name="rows",
        data=rows,
        model=MLP(width=16, depth=1),
        optimizer=Choice(SGD.search(lr=Float(1e-3, 1e6, log=True)), Adam),
        batch_size=Choice(8, 16),
        epochs=EPOCHS,
    )
    return searched.run(
        trials=30, pruner="median", tracking_uri=f"sqlite:///{home}/mlflow.db", folder=home / "studies", seed=3
    )


class Store:
    """A copy of the study's store, in which a test may write what it likes."""

    def __init__(self, file: Path) -> None:
        self.uri = f"sqlite:///{file}"
        self._file = file

    def write(self, statement: str, *values: object) -> int:
        connection = sqlite3.connect(self._file)
        changed = connection.execute(statement, values).rowcount
        connection.commit()
        connection.close()
        return changed

    def tag(self, run: str | None, name: str, value: str | None) -> None:
        """Give a run's tag another value, or none."""
        statement = "delete from tags" if value is None else "update tags set value = ?"
        values = () if value is None else (value,)
        assert self.write(f"{statement} where run_uuid = ? and key = ?", *values, run, name) == 1


@pytest.fixture
def store(tmp_path: Path, home: Path, study: Study) -> Store:
    source, target = sqlite3.connect(home / "mlflow.db"), sqlite3.connect(tmp_path / "copy.db")
    source.backup(target)  # with what still lies in the write-ahead log
    for connection in (source, target):
        connection.close()
    return Store(tmp_path / "copy.db")


def of_state(study: Study, state: State) -> Result:
    """Return the last such trial that has a curve, if any has one."""
    return max(
        (each for each in study.trials if each.state is state), key=lambda each: (len(each.curves), each.trial.number)
    )


def run_of(study: Study, state: State) -> str:
    return study.mirror.runs[of_state(study, state).trial.number]


def test_a_complete_trial_is_equal_bit_for_bit(study: Study, store: Store) -> None:
    result = of_state(study, State.COMPLETE)
    found = reproduce(study.mirror.runs[result.trial.number], tracking_uri=store.uri)
    assert (found.equal, found.exact, found.tolerance, found.ended, found.changes) == (True, True, 0.0, None, ())
    assert {each.metric: each.points for each in found.comparisons} == {
        **dict.fromkeys(METRICS, EPOCHS),
        "objective": 1,
    }
    assert {name: found.curves[name] for name in METRICS} == dict(result.curves)
    assert found.trial.title == f"trial {result.trial.number} of rows-1"


def test_each_trial_is_equal_whatever_it_drew(study: Study, store: Store) -> None:
    complete = [each.trial.number for each in study.trials if each.state is State.COMPLETE]
    assert {study.trials[number].trial.params["optimizer"] for number in complete} == {"sgd", "adam"}
    for number in complete[:6]:
        assert reproduce(study.mirror.runs[number], tracking_uri=store.uri).exact


def test_a_pruned_trial_is_trained_as_far_as_its_curve_reaches(study: Study, store: Store) -> None:
    result = of_state(study, State.PRUNED)
    found = reproduce(study.mirror.runs[result.trial.number], tracking_uri=store.uri)
    reached = result.curves["val_loss"].epochs[-1]
    assert 0 < reached < EPOCHS
    assert (found.exact, found.trial.epochs) == (True, reached)
    assert {each.metric: each.points for each in found.comparisons} == dict.fromkeys(METRICS, reached)


def test_a_trial_that_diverged_diverges_again(study: Study, store: Store) -> None:
    run = run_of(study, State.DIVERGED)
    assert reproduce(run, tracking_uri=store.uri).exact
    store.tag(run, "tunelab.reason", "training loss was 9e+09 at step 3 (epoch 1)")
    found = reproduce(run, tracking_uri=store.uri)
    assert not found.equal
    assert found.ended is not None
    assert "(training loss was 9e+09 at step 3 (epoch 1)), and is diverged after" in found.ended


def test_one_bit_of_one_epoch_is_told(study: Study, store: Store) -> None:
    result = of_state(study, State.COMPLETE)
    run = study.mirror.runs[result.trial.number]
    value = result.curves["val_loss"].values[4]
    other = float(np.nextafter(value, np.inf))
    sql = "update metrics set value = ? where run_uuid = ? and key = 'val_loss' and step = 5"
    assert store.write(sql, other, run) == 1
    found = reproduce(run, tracking_uri=store.uri)
    (differing,) = [each for each in found.comparisons if each.differing]
    (point,) = differing.differing
    assert (differing.metric, point.epoch, point.recorded, point.found) == ("val_loss", 5, other, value)
    assert (found.equal, found.changes) == (False, ())


def test_an_epoch_that_is_missing_is_told(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    assert store.write("delete from metrics where run_uuid = ? and key = 'lr' and step = 2", run) == 1
    found = reproduce(run, tracking_uri=store.uri)
    (differing,) = [each for each in found.comparisons if each.differing]
    assert (differing.metric, [point.epoch for point in differing.differing]) == ("lr", [2])
    assert differing.differing[0].recorded is None


def test_what_was_logged_last_for_an_epoch_counts(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    for value, stamp in ((9.0, 2**42), (8.0, 2**42 - 1)):
        MlflowClient(store.uri).log_metric(run, "val_loss", value, timestamp=stamp, step=2)
    (differing,) = [each for each in reproduce(run, tracking_uri=store.uri).comparisons if each.differing]
    assert [(point.epoch, point.recorded) for point in differing.differing] == [(2, 9.0)]


def test_other_data_are_told(study: Study, store: Store, rows: Path) -> None:
    text = rows.read_text()
    try:
        rows.write_text(text.replace(text.splitlines()[1], "9.0,9.0,9.0,no", 1))
        found = reproduce(run_of(study, State.COMPLETE), tracking_uri=store.uri)
    finally:
        rows.write_text(text)
    assert not found.equal
    (change,) = found.changes
    assert change.what == "data (SHA-256)"
    assert found.trial.fingerprint is not None
    assert found.trial.fingerprint.startswith(change.recorded)
    assert change.now != change.recorded


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("tunelab.version.numpy", "numpy"),
        ("tunelab.version.tunelab", "tunelab"),
        ("tunelab.version.python", "python"),
        ("tunelab.platform", "platform"),
    ],
)
def test_another_version_is_told_and_is_no_difference_by_itself(
    tag: str, what: str, study: Study, store: Store
) -> None:
    store.tag(study.mlflow_run_id, tag, "another")
    found = reproduce(run_of(study, State.COMPLETE), tracking_uri=store.uri)
    assert [(change.what, change.recorded) for change in found.changes] == [(what, "another")]
    assert found.equal


def test_a_run_without_versions_is_reproduced_all_the_same(study: Study, store: Store) -> None:
    assert store.write("delete from tags where key like 'tunelab.version.%' or key = 'tunelab.platform'") == 4
    found = reproduce(run_of(study, State.COMPLETE), tracking_uri=store.uri)
    assert (found.exact, found.changes, found.trial.versions) == (True, (), {})


def test_the_seed_and_what_was_searched_are_taken_from_mlflow(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    store.tag(run, "tunelab.seed", "12345")
    assert not reproduce(run, tracking_uri=store.uri).equal


def test_a_fixed_hyperparameter_that_was_another_is_told(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    assert store.write("update params set value = '32' where run_uuid = ? and key = 'model.width'", run) == 1
    (change,) = reproduce(run, tracking_uri=store.uri).changes
    assert str(change) == "hyperparameter model.width: 32 then, 16 now"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("delete from params where key = 'batch_size'", "no batch_size is recorded"),
        ("update params set value = '64' where key = 'batch_size'", "'64', and the experiment has only: 8, 16"),
        ("update params set value = 'fast' where key = 'optimizer.lr'", "optimizer.lr is 'fast'"),
    ],
)
def test_hyperparameters_that_the_experiment_does_not_have_are_bad_input(
    statement: str, told: str, study: Study, store: Store
) -> None:
    store.write(statement)
    with pytest.raises(ExperimentError, match=r"^trial \d+ of rows-1 cannot be rebuilt: ") as caught:
        reproduce(run_of(study, State.COMPLETE), tracking_uri=store.uri)
    assert told in str(caught.value)


def test_data_that_are_gone_are_bad_input(study: Study, store: Store, rows: Path) -> None:
    rows.rename(rows.with_suffix(".gone"))
    try:
        with pytest.raises(DataError, match=r"rows\.csv: no such file"):
            reproduce(run_of(study, State.COMPLETE), tracking_uri=store.uri)
    finally:
        rows.with_suffix(".gone").rename(rows)


def test_a_study_is_no_trial_and_its_best_is_named(study: Study, store: Store) -> None:
    assert study.best is not None
    best = study.best.trial.number
    told = (
        rf"is the study rows-1, and a trial of it is needed; trial {best} \(the best\) is {study.mirror.runs[best]}, "
    )
    with pytest.raises(ExperimentError, match=told):
        reproduce(study.mlflow_run_id or "", tracking_uri=store.uri)


def test_a_run_that_is_not_there_or_not_tunelabs_is_bad_input(study: Study, store: Store) -> None:
    with pytest.raises(StoreError, match=r"copy\.db has no run 'nowhere'"):
        reproduce("nowhere", tracking_uri=store.uri)
    run = run_of(study, State.COMPLETE)
    store.tag(run, "tunelab.study", None)
    with pytest.raises(ExperimentError, match=f"the run {run} is not tunelab's"):
        reproduce(run, tracking_uri=store.uri)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no MLflow store"):
        reproduce("any", tracking_uri="sqlite:///nowhere.db")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_trains_still_is_bad_input(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    store.tag(run, "tunelab.state", "running")
    with pytest.raises(ExperimentError, match="has not ended yet"):
        reproduce(run, tracking_uri=store.uri)


def test_a_pruned_trial_without_a_curve_is_bad_input(study: Study, store: Store) -> None:
    run = run_of(study, State.PRUNED)
    for table in ("metrics", "latest_metrics"):
        assert store.write(f"delete from {table} where run_uuid = ?", run)
    with pytest.raises(ExperimentError, match="was pruned before its first epoch ended: it has no curve"):
        reproduce(run, tracking_uri=store.uri)


def test_a_study_whose_run_is_gone_is_bad_input(study: Study, store: Store) -> None:
    run = run_of(study, State.COMPLETE)
    store.tag(run, "mlflow.parentRunId", "0" * 32)
    with pytest.raises(StoreError, match=f"no longer has the run '{'0' * 32}' of the study"):
        reproduce(run, tracking_uri=store.uri)


X = np.random.default_rng(1).normal(size=(60, 2))
Y = X[:, 0] * X[:, 1]


class Small:
    """Runs small studies in one store: making a store takes longer than they do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder}/mlflow.db"

    def run(self, given: Any, **settings: Any) -> Study:
        study: Study = given.run(
            tracking_uri=self.uri, folder=self.folder, executor="inline", **{"trials": 3, **settings}
        )
        return study

    def reproduce(self, study: Study, number: int, given: Any = None) -> Reproduction:
        return reproduce(study.mirror.runs[number], tracking_uri=self.uri, experiment=given)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Small:
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(template, folder / "mlflow.db")
    return Small(folder)


def arrays(x: np.ndarray = X) -> Experiment:
    return Experiment(name="arrays", data=(x, Y), model=MLP(width=4, depth=1), optimizer="sgd", epochs=2)


def test_arrays_are_not_in_mlflow_and_must_be_given(small: Small) -> None:
    study = small.run(arrays())
    with pytest.raises(ExperimentError, match=rf"trial 0 of arrays-1 .*{study.mirror.runs[0]} --file FILE"):
        small.reproduce(study, 0)
    assert small.reproduce(study, 0, arrays()).exact
    found = small.reproduce(study, 0, arrays(X**3))
    assert not found.equal
    assert [change.what for change in found.changes] == ["data (SHA-256)", "experiment's data"]


def test_another_experiment_is_bad_input(small: Small) -> None:
    study = small.run(arrays(), trials=1)
    other = Experiment(**dict(arrays()) | {"name": "other"})
    with pytest.raises(ExperimentError, match="is of the experiment 'arrays', and 'other', a Experiment, was given"):
        small.reproduce(study, 0, other)
    with pytest.raises(ExperimentError, match="is of the experiment 'arrays', and 'descent', a Loop, was given"):
        small.reproduce(study, 0, descent)


@experiment(lr=Float(0.01, 1.0, log=True), minimize="loss")
def descent(trial: Trial) -> Iterator[Mapping[str, float]]:
    theta = 3.0 + float(np.random.default_rng(trial.seed).normal())
    for _ in range(6):
        theta -= float(trial.params["lr"] or 0) * 2 * theta
        yield {"loss": theta**2}


FRAIL = True


@experiment(lr=Float(0.01, 1.0, log=True), minimize="loss")
def frail(trial: Trial) -> Iterator[Mapping[str, float]]:
    yield {"loss": 1.0}
    yield {"loss": 0.5}
    if FRAIL and trial.number == 1:
        raise RuntimeError("out of luck")
    yield {"loss": 0.25}


def test_a_loop_runs_again_where_it_is_given_and_not_by_its_name(small: Small) -> None:
    study = small.run(descent)
    with pytest.raises(ExperimentError, match=rf"holds no more than the name, '{__name__}:descent'\. Give the"):
        small.reproduce(study, 2)
    found = small.reproduce(study, 2, descent)
    assert (found.exact, found.tolerance, found.changes) == (True, 1e-4, ())
    assert {each.metric: each.points for each in found.comparisons} == {"loss": 6, "objective": 1}


def test_a_pruned_loop_is_closed_where_it_was(small: Small) -> None:
    study = small.run(descent, trials=25, pruner="median")
    result = of_state(study, State.PRUNED)
    found = small.reproduce(study, result.trial.number, descent)
    assert found.exact
    assert found.curves["loss"] == result.curves["loss"]
    assert len(found.curves["loss"].epochs) < 6


def test_a_loop_that_failed_fails_again_at_the_same_report(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    study = small.run(frail)
    assert study.trials[1].state is State.FAILED
    assert small.reproduce(study, 1, frail).exact
    monkeypatch.setattr(f"{__name__}.FRAIL", False)
    found = small.reproduce(study, 1, frail)
    assert found.ended is not None
    assert found.ended.startswith("it was failed after 2 epochs (RuntimeError: out of luck")
    assert found.ended.endswith(", and trains on now")
    assert not found.equal


def test_a_loop_that_fails_now_did_not_come_out_the_same(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.FRAIL", False)
    study = small.run(frail)
    monkeypatch.setattr(f"{__name__}.FRAIL", True)
    found = small.reproduce(study, 1, frail)
    assert found.ended is not None
    assert "it was complete after 3 epochs, and is failed after 2 epochs now (RuntimeError: out of luck" in found.ended
    assert {each.metric: len(each.differing) for each in found.comparisons} == {"loss": 1, "objective": 1}


def test_a_loop_that_cannot_be_imported_must_be_given(small: Small) -> None:
    @experiment(lr=Float(0.01, 1.0, log=True), minimize="loss")
    def local(trial: Trial) -> Iterator[Mapping[str, float]]:
        yield {"loss": 1.0}

    study = small.run(local)
    with pytest.raises(ExperimentError, match=r"of a loop it holds no more than the name, '.*local'\. Give"):
        small.reproduce(study, 0)
    assert small.reproduce(study, 0, local).exact


@pytest.mark.torch
def test_on_pytorch_values_may_be_a_little_apart(small: Small) -> None:
    model = MLP(width=8, depth=1)
    study = small.run(Experiment(name="t", data="wine", model=model, optimizer="adam", epochs=3, backend="torch"))
    store = Store(small.folder / "mlflow.db")
    first = small.reproduce(study, 1)
    assert first.equal
    assert first.trial.versions["torch"] == version("torch")
    sql = "update metrics set value = value * ? where run_uuid = ? and key = 'val_loss' and step = 2"
    assert store.write(sql, 1 + 1e-5, study.mirror.runs[1]) == 1
    found = small.reproduce(study, 1)
    assert (found.equal, found.exact) == (True, False)
    assert store.write(sql, 1 + 1e-3, study.mirror.runs[1]) == 1
    assert not small.reproduce(study, 1).equal
