"""`Experiment`: one record, however it is spelled; JSON and hash; and from hyperparameters to objects."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spaces import experiments
from test_drawing import Asked

from tunelab import Choice, Experiment, Float, Int
from tunelab.data import Arrays, DataFile, Digits
from tunelab.errors import DataError, ExperimentError, PluginError, SpaceError, TunelabError
from tunelab.experiments import Configuration, Training
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import SGD, Adam
from tunelab.schedules import Constant, Cosine

X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1])
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def experiment(**fields: Any) -> Experiment:
    plain: dict[str, Any] = {"name": "digits", "data": "digits", "model": MLP(), "optimizer": "sgd"}
    return Experiment(**(plain | fields))


# ---- JSON and hash


@SLOW
@given(experiments())
def test_an_experiment_comes_back_from_json(given: Experiment) -> None:
    data = given.data if isinstance(given.data, Arrays) else None
    back = Experiment.from_json(given.to_json(), data=data)
    assert back == given
    assert back.to_json() == given.to_json()
    assert back.hash == given.hash
    json.loads(given.to_json())


@SLOW
@given(experiments(), experiments())
def test_experiments_are_equal_exactly_if_their_hashes_are(one: Experiment, other: Experiment) -> None:
    assert (one == other) == (one.hash == other.hash)


DIFFERENT: dict[str, dict[str, Any]] = {
    "as it is": {},
    "name": {"name": "other"},
    "data": {"data": "wine"},
    "file": {"data": "a.csv"},
    "another file": {"data": "b.csv"},
    "target": {"data": DataFile("a.csv", target="y")},
    "arrays": {"data": (X, Y)},
    "other features": {"data": (X + 1, Y)},
    "other labels": {"data": (X, 1 - Y)},
    "model": {"model": MLP(width=32)},
    "searched model": {"model": "mlp"},
    "optimizer": {"optimizer": "adam"},
    "fixed optimizer": {"optimizer": SGD()},
    "range": {"optimizer": SGD.search(lr=Float(0.1, 1))},
    "another range": {"optimizer": SGD.search(lr=Float(0.1, 2))},
    "axis": {"optimizer": SGD.search(lr=Float(0.1, 1, log=True))},
    "choice": {"optimizer": Choice("sgd", "adam")},
    "order of a choice": {"optimizer": Choice("adam", "sgd")},
    "schedule": {"schedule": "cosine"},
    "batch size": {"batch_size": 64},
    "full batch": {"batch_size": "full"},
    "searched batch size": {"batch_size": Choice(16, 32)},
    "epochs": {"epochs": 10},
    "searched epochs": {"epochs": Int(1, 10)},
    "step": {"epochs": Int(1, 10, step=3)},
    "warmup": {"warmup": 0.1},
    "weight decay": {"weight_decay": 0.1},
    "clip": {"clip_norm": 1.0},
    "steps": {"steps_per_epoch": 5},
    "loss": {"loss": "cross_entropy"},
    "own loss": {"loss": np.mean},
    "metrics": {"metrics": {"mean": np.mean}},
    "maximize": {"maximize": "val_accuracy"},
    "minimize": {"minimize": "val_accuracy"},
    "validation": {"validation": 0.3},
    "test": {"test": 0.1},
    "seed": {"split_seed": 1},
    "scale": {"scale": "none"},
    "dtype": {"dtype": "float64"},
    "bound": {"diverged_above": 10.0},
}


def test_whatever_differs_changes_the_hash() -> None:
    hashes = {name: experiment(**fields).hash for name, fields in DIFFERENT.items()}
    assert len(set(hashes.values())) == len(hashes)
    assert set(Experiment.model_fields) - {"backend"} == {field for fields in DIFFERENT.values() for field in fields}, (
        "a new field belongs into this table"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"optimizer": "adam"}, {"optimizer": Adam}),
        ({"optimizer": "adam"}, {"optimizer": Adam.search()}),
        ({"optimizer": SGD.search(lr=1)}, {"optimizer": SGD(lr=1.0)}),
        ({"optimizer": Choice("sgd", Adam)}, {"optimizer": Choice(SGD.search(), "adam")}),
        ({"schedule": "constant"}, {"schedule": Constant()}),
        ({}, {"schedule": "constant", "batch_size": 32, "epochs": 20}),
        ({"weight_decay": 0}, {"weight_decay": 0.0}),
        ({"weight_decay": Float(0, 1)}, {"weight_decay": Float(0.0, 1.0)}),
        ({"weight_decay": Choice(0, 1)}, {"weight_decay": Choice(0.0, 1.0)}),
        ({"clip_norm": 1}, {"clip_norm": 1.0}),
        ({"batch_size": "32"}, {"batch_size": 32}),
        ({"validation": 0.25, "test": 0}, {"validation": 0.25, "test": 0.0}),
        ({"data": "digits"}, {"data": Digits()}),
        ({"data": (X, Y)}, {"data": [X.tolist(), Y.tolist()]}),
        ({"data": (X, Y)}, {"data": Arrays(X, Y)}),
        ({"data": Path("a.csv")}, {"data": "a.csv"}),
        ({"data": "a.csv"}, {"data": DataFile("a.csv")}),
        ({"data": {"plugin": "digits", "fields": {}}}, {"data": "digits"}),
    ],
)
def test_two_spellings_are_one_experiment(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert experiment(**one) == experiment(**other)
    assert experiment(**one).hash == experiment(**other).hash


def test_the_hash_is_the_same_in_another_process() -> None:
    code = f"from {__name__} import DIFFERENT, experiment\nfor d in DIFFERENT.values(): print(experiment(**d).hash)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [experiment(**fields).hash for fields in DIFFERENT.values()]


def test_arrays_leave_their_hash_in_json_and_must_be_given_again() -> None:
    given = experiment(data=(X, Y))
    assert "sha256" in given.to_json()
    assert "0.0, 1.0" not in given.to_json()
    with pytest.raises(DataError, match="give them again"):
        Experiment.from_json(given.to_json())
    assert Experiment.from_json(given.to_json(), data=(X, Y)) == given


class Distance:
    """A loss that is an object, as PyTorch's are."""

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return abs(outputs - targets).mean()


def test_a_loss_or_metric_that_is_an_object_is_restored_from_the_experiment_at_hand() -> None:
    given = experiment(loss=Distance(), metrics={"far": Distance()})
    with pytest.raises(ExperimentError):
        Experiment.from_json(given.to_json())
    assert given.restored(given.to_json()) == given
    other = experiment(loss=Distance(), metrics={"near": Distance()})
    with pytest.raises(ExperimentError, match="no function can be found"):
        other.restored(given.to_json())  # not one that is called otherwise


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no experiment in JSON"),
        ("{", "no experiment in JSON"),
        ("[]", "expected an object, was list"),
        ("3", "expected an object, was int"),
        ("{}", "name: is required"),
        ('{"nam": 1}', "Experiment has no field 'nam'; did you mean 'name'"),
    ],
)
def test_text_that_is_no_experiment_is_refused(text: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        Experiment.from_json(text)


def test_an_experiment_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        experiment().epochs = 3  # type: ignore[misc]


# ---- what is refused

BAD: list[tuple[dict[str, Any], type[TunelabError], str]] = [
    ({"optimiser": "sgd"}, ExperimentError, "Experiment has no field 'optimiser'; did you mean 'optimizer'"),
    ({"name": "a b"}, ExperimentError, "Experiment: name: .*pattern.*, was 'a b'"),
    ({"name": "../up"}, ExperimentError, "Experiment: name: "),
    ({"name": "a\n"}, ExperimentError, "Experiment: name: "),
    ({"name": ""}, ExperimentError, "Experiment: name: "),
    ({"name": "a" * 101}, ExperimentError, "Experiment: name: .*100"),
    ({"optimizer": "adm"}, PluginError, "no optimizer named 'adm'; did you mean 'adam'"),
    ({"schedule": "cosin"}, PluginError, "no schedule named 'cosin'; did you mean 'cosine'"),
    ({"model": "mpl"}, PluginError, "no model named 'mpl'; did you mean 'mlp'"),
    ({"data": "digit"}, PluginError, "no dataset named 'digit'; did you mean 'digits'"),
    ({"model": None}, ExperimentError, "model: expected a name, an instance of Model"),
    ({"model": Adam()}, ExperimentError, "model: expected a name, an instance of Model"),
    ({"optimizer": Float(0, 1)}, ExperimentError, "optimizer: expected a name.*was a range"),
    ({"optimizer": Choice("sgd", "adm")}, PluginError, "no optimizer named 'adm'"),
    ({"data": 3}, ExperimentError, r"^data: expected .*\(x, y\).*path.*; was 3"),
    ({"data": X}, ExperimentError, r"^data: expected .*\(x, y\).*; was of type ndarray"),
    ({"data": (X, Y, Y)}, ExperimentError, "^data: expected .*was of type tuple"),
    ({"data": Choice("digits", "wine")}, ExperimentError, r"^data: expected .*was Choice\('digits', 'wine'\)"),
    ({"data": (X, Y[:3])}, DataError, "x has 4 rows and y 3"),
    ({"batch_size": 0}, PluginError, "batch_size: .*was 0"),
    ({"batch_size": "ful"}, PluginError, "batch_size: .*was 'ful'"),
    ({"batch_size": Int(0, 8)}, PluginError, r"batch_size=Int\(0, 8\): .*was 0"),
    ({"batch_size": Float(16, 64)}, PluginError, r"batch_size=Float\(16.0, 64.0\): .*fractional"),
    ({"epochs": 0}, PluginError, "epochs: .*greater than 0, was 0"),
    ({"epochs": 2.5}, PluginError, "epochs: .*was 2.5"),
    ({"epochs": Choice(1, 0)}, PluginError, r"epochs=Choice\(1, 0\): .*was 0"),
    ({"warmup": 1}, PluginError, "warmup: .*less than 1, was 1"),
    ({"warmup": Float(0, 1)}, PluginError, r"warmup=Float\(0.0, 1.0\): .*less than 1, was 1.0"),
    ({"weight_decay": -1}, PluginError, "weight_decay: .*was -1"),
    ({"weight_decay": "much"}, PluginError, "weight_decay: .*was 'much'"),
    ({"weight_decay": SGD()}, PluginError, "weight_decay: .*number.*was SGD"),
    ({"weight_decay": SGD.search()}, PluginError, "weight_decay: .*number.*was SGD"),
    ({"weight_decay": Choice(0.1, SGD())}, PluginError, "weight_decay=.*was SGD"),
    ({"weight_decay": {"float": {"low": 2, "high": 1}}}, SpaceError, "swap"),
    ({"clip_norm": 0}, PluginError, "clip_norm: .*greater than 0, was 0"),
    ({"clip_norm": float("inf")}, PluginError, "clip_norm: .*was inf"),
    ({"steps_per_epoch": 0}, ExperimentError, "steps_per_epoch: .*was 0"),
    ({"loss": "mse"}, ExperimentError, "loss: .*cross_entropy.*was 'mse'"),
    ({"maximize": "val_loss", "minimize": "val_loss"}, ExperimentError, "give maximize or minimize, not both"),
    ({"validation": 0}, ExperimentError, "validation: .*greater than 0, was 0"),
    ({"validation": 1}, ExperimentError, "validation: .*less than 1, was 1"),
    ({"validation": 0.5, "test": 0.5}, ExperimentError, "leave no row to train on; lower one"),
    ({"split_seed": -1}, ExperimentError, "split_seed: .*was -1"),
    ({"scale": "robust"}, ExperimentError, "scale: .*'standard'.*was 'robust'"),
    ({"dtype": "float16"}, ExperimentError, "dtype: .*was 'float16'"),
    ({"backend": "jax"}, ExperimentError, "backend: .*was 'jax'"),
    ({"diverged_above": 0}, ExperimentError, "diverged_above: .*was 0"),
    ({"diverged_above": float("inf")}, ExperimentError, "diverged_above: .*was inf"),
]


@pytest.mark.parametrize(("fields", "error", "says"), BAD, ids=lambda value: str(value)[:40])
def test_a_wrong_input_is_refused(fields: dict[str, Any], error: type[TunelabError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        experiment(**fields)
    assert len(str(caught.value)) < 400, "one short message"


@pytest.mark.parametrize("missing", ["name", "model", "optimizer"])
def test_what_is_missing_is_named(missing: str) -> None:
    fields = {"name": "a", "model": MLP(), "optimizer": "sgd"}
    del fields[missing]
    with pytest.raises(ExperimentError, match=f"{missing}: is required"):
        Experiment(**fields)


# ---- from hyperparameters to objects


@SLOW
@given(experiments(), st.data())
def test_configure_is_the_inverse_of_draw(given: Experiment, data: st.DataObject) -> None:
    asked = Asked(data)
    params = given.draw(asked)
    configuration = given.configure(params)
    fixed = Experiment(
        name=given.name,
        model=configuration.model,
        optimizer=configuration.optimizer,
        schedule=configuration.schedule,
        **dict(configuration.training),
    )
    again = Asked()
    redrawn = fixed.draw(again)
    labels = {name: value for name, value in params.items() if name in ("model", "optimizer", "schedule")}
    assert redrawn | labels == params
    assert not again.names
    assert fixed.configure(redrawn) == configuration


def test_every_field_may_be_fixed() -> None:
    given = experiment(optimizer=SGD(lr=0.5), schedule=Cosine(), clip_norm=1, weight_decay=0.1, warmup=0.5, epochs=3)
    asked = Asked()
    assert given.configure(given.draw(asked)) == Configuration(
        MLP(),
        SGD(lr=0.5),
        Cosine(),
        Training(batch_size=32, epochs=3, warmup=0.5, weight_decay=0.1, clip_norm=1.0),
    )
    assert asked.names == {}


@pytest.mark.parametrize(
    ("field", "node"),
    [
        ("model", "mlp"),
        ("optimizer", "sgd"),
        ("schedule", "step"),
        ("batch_size", Choice(8, 16)),
        ("epochs", Int(1, 3)),
        ("warmup", Float(0, 0.5)),
        ("weight_decay", Float(1e-6, 1e-2, log=True)),
        ("clip_norm", Choice(None, 1.0)),
    ],
)
def test_every_field_may_be_searched(field: str, node: Any) -> None:
    fixed = {"optimizer": SGD(), "schedule": Constant()}
    asked = Asked()
    experiment(**(fixed | {field: node})).draw(asked)
    assert asked.names
    assert all(name.split(".")[0] == field for name in asked.names)


def test_gradient_descent_takes_the_full_batch_and_asks_for_none() -> None:
    given = experiment(optimizer=Choice("gradient-descent", "sgd"), batch_size=Choice(16, 32))
    full, small = Asked(), Asked(optimizer="sgd")
    assert given.draw(full)["batch_size"] == "full"
    assert "batch_size" not in full.names
    assert given.configure(given.draw(full)).batch_size == "full"
    assert given.draw(small)["batch_size"] == 16
    assert "batch_size" in small.names
    assert given.configure(given.draw(small)).batch_size == 16


def test_parameters_of_another_experiment_are_refused() -> None:
    params = experiment().draw(Asked())
    with pytest.raises(ExperimentError, match="not an option of this experiment"):
        experiment(optimizer=Choice("adam", "adamw")).configure(params)


@pytest.mark.parametrize(
    ("fields", "objective"),
    [
        ({}, "val_loss"),
        ({"maximize": "val_accuracy"}, "val_accuracy"),
        ({"minimize": "train_loss"}, "train_loss"),
        ({"data": None, "model": Quadratic()}, "loss"),
    ],
)
def test_the_objective_follows_from_the_data(fields: dict[str, Any], objective: str) -> None:
    assert experiment(**fields).objective == objective


def test_plain_numbers_come_from_numpy_too() -> None:
    given = experiment(batch_size=np.int64(16), weight_decay=np.float32(0.5), optimizer=SGD(lr=np.float64(0.1)))
    plain = experiment(batch_size=16, weight_decay=0.5, optimizer=SGD(lr=0.1))
    assert given.to_json() == plain.to_json()


def test_a_file_of_any_case_is_a_file() -> None:
    assert experiment(data="ROWS.CSV").data == DataFile("ROWS.CSV")


def _never(*_: Any) -> Any:
    raise AssertionError("drawing needs no plugin made")


def test_drawing_makes_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    given = experiment(optimizer=Choice("gradient-descent", "sgd"))
    monkeypatch.setattr(SGD, "__init__", _never)
    assert given.draw(Asked(optimizer="sgd"))["optimizer"] == "sgd"
