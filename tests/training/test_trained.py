"""Trained models: what is saved predicts what was trained, and nothing else is read."""

import gc
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.runs import classes, rows_of, train, values, varied

from tunelab.contracts import Table
from tunelab.errors import DataError
from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.optimizers import Adam
from tunelab.training.trained import TrainedModel
from tunelab.trial import Trial

PARAMS = {"batch_size": 16, "epochs": 8, "warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}


def plain(**fields: Any) -> Experiment:
    fixed = PARAMS | {"optimizer": Adam(lr=0.01), "schedule": "constant"}
    return varied(**(fixed | fields))


def trained(experiment: Experiment) -> tuple[TrainedModel, dict[str, float], Table]:
    """Return a trained model, its last report, and all rows as they came."""
    outcome = train(experiment, [Trial(0, 0, PARAMS)])[0]
    assert outcome.ended is not None
    assert outcome.ended.weights is not None
    model = experiment.configure(PARAMS).model  # type: ignore[arg-type]
    made = TrainedModel.of(model, outcome.ended.weights, rows_of(experiment), experiment.dtype)
    return made, dict(outcome.reports[8].metrics), experiment.data.load()


@pytest.fixture(scope="module")
def digits() -> tuple[TrainedModel, dict[str, float], Table]:
    return trained(plain(model=MLP(width=8, depth=2, layer_norm=True, dropout=0.2)))


@pytest.fixture(scope="module")
def diabetes() -> tuple[TrainedModel, dict[str, float], Table]:
    return trained(plain(data=values()))


def test_predictions_are_labels_and_as_right_as_the_evaluation_said(
    digits: tuple[TrainedModel, dict[str, float], Table],
) -> None:
    model, metrics, _ = digits
    rows = rows_of(plain())
    raw = rows.x_validation * rows.spread + rows.shift
    labels = model.predict(raw)
    truth = np.array(rows.classes)[rows.y_validation]
    assert labels.shape == truth.shape
    assert (labels == truth).mean() == pytest.approx(metrics["val_accuracy"], abs=1e-6)
    assert metrics["val_accuracy"] > 0.5


def test_classes_keep_the_names_that_they_came_with() -> None:
    x, y = classes()
    named = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[y]
    model, _, _ = trained(plain(data=(x, named)))
    assert set(model.predict(x)) <= set(named)
    assert (model.predict(x) == named).mean() > 0.5


def test_values_are_predicted_in_the_datas_own_units(diabetes: tuple[TrainedModel, dict[str, float], Table]) -> None:
    model, metrics, _ = diabetes
    x, y = values()
    rows = rows_of(plain(data=values()))
    raw = rows.x_validation * rows.spread + rows.shift
    truth = rows.y_validation * rows.target_spread + rows.target_shift
    error = ((model.predict(raw) - truth) ** 2).mean()
    assert error == pytest.approx(metrics["val_loss"] * rows.target_spread[0] ** 2, rel=1e-4)
    assert model.predict(x).shape == (len(x), 1)
    assert abs(model.predict(x).mean() - y.mean()) < y.std()


@pytest.mark.parametrize("which", ["digits", "diabetes"])
def test_what_is_saved_is_what_is_loaded(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    model, _, table = request.getfixturevalue(which)
    path = tmp_path / "model.npz"
    model.save(path)
    again = TrainedModel.load(path)
    assert np.array_equal(again.predict(table.x), model.predict(table.x))
    assert np.array_equal(again.outputs_of(table.x), model.outputs_of(table.x))
    assert (again.model, again.classes, again.dtype) == (model.model, model.classes, model.dtype)
    assert [one.name for one in tmp_path.iterdir()] == ["model.npz"], "nothing unfinished stays behind"
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


def test_a_row_does_not_depend_on_the_rows_beside_it(digits: tuple[TrainedModel, dict[str, float], Table]) -> None:
    model, _, table = digits
    whole = model.outputs_of(table.x)
    assert model.outputs_of(table.x[5:6])[0] == pytest.approx(whole[5], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("shape", [(64,), (5, 63), (5, 1), (1, 5, 64), ()])
def test_rows_of_another_width_are_refused(
    shape: tuple[int, ...], digits: tuple[TrainedModel, dict[str, float], Table]
) -> None:
    with pytest.raises(DataError, match="expected rows of 64 features"):
        digits[0].predict(np.ones(shape))


class Payload:
    """What a malicious pickle would run."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Payload, "ran", True)


def written(path: Path, damage: str, model: TrainedModel) -> Path:
    """Write a file that is not quite a model."""
    model.save(path)
    whole = path.read_bytes()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"]))
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("weights: none\n")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            middle = len(whole) // 3
            path.write_bytes(
                whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
            )
        case "pickle":
            path.write_bytes(pickle.dumps(Payload()))
        case "pickled array":
            np.savez(path, **(arrays | {"about": np.array([Payload()], dtype=object)}))
        case "npy":
            buffer = io.BytesIO()
            np.save(buffer, np.ones(3))
            path.write_bytes(buffer.getvalue())
        case "other arrays":
            np.savez(path, x=np.ones(3))
        case "not an object":
            np.savez(path, **(arrays | {"about": np.array("null")}))
        case "field missing":
            np.savez(
                path, **(arrays | {"about": np.array(json.dumps({k: v for k, v in about.items() if k != "model"}))})
            )
        case "field unknown":
            np.savez(path, **(arrays | {"about": np.array(json.dumps(about | {"colour": 1}))}))
        case "weight missing":
            np.savez(path, **{k: v for k, v in arrays.items() if k != "weights/0.bias"})
        case "weight of another shape":
            np.savez(path, **(arrays | {"weights/0.bias": np.ones(3)}))
        case "scaling missing":
            np.savez(path, **{k: v for k, v in arrays.items() if k != "scaling/shift"})
    return path


DAMAGES = ["empty", "text", "truncated", "flipped", "pickle", "pickled array", "npy", "other arrays", "not an object"]
DAMAGES += ["field missing", "field unknown", "weight missing", "weight of another shape", "scaling missing"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_model_is_refused_and_never_run(
    damage: str, tmp_path: Path, digits: tuple[TrainedModel, dict[str, float], Table]
) -> None:
    path = written(tmp_path / "model.npz", damage, digits[0])
    with pytest.raises(DataError, match=r"model\.npz"):
        TrainedModel.load(path)
    assert not Payload.ran
    gc.collect()  # a file left open would warn here, and warnings are errors


@pytest.mark.parametrize("name", ["missing.npz", "."])
def test_a_path_without_a_model_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        TrainedModel.load(tmp_path / name)
