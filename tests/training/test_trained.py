"""Trained models: what is saved predicts what was trained, and nothing else is read."""

import gc
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.runs import classes, rows_of, train, values, varied
from safetensors import safe_open
from safetensors.numpy import save

from tunelab.contracts import Table
from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.errors import DataError
from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.optimizers import Adam
from tunelab.training.trained import TrainedModel
from tunelab.training.weights_file import WEIGHTS, read, write
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
    made = TrainedModel.of(model, outcome.ended.weights, rows_of(experiment), experiment.dtype, seed=0)
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
    path = tmp_path / WEIGHTS
    model.save(path)
    for again in (TrainedModel.load(path), TrainedModel.load(str(tmp_path))):
        assert np.array_equal(again.predict(table.x), model.predict(table.x))
        assert np.array_equal(again.outputs_of(table.x), model.outputs_of(table.x))
        for name in ("model", "classes", "dtype", "inputs", "outputs", "targets", "seed"):
            assert getattr(again, name) == getattr(model, name), name
        assert all(np.array_equal(again.scaling[name], model.scaling[name]) for name in model.scaling)
    assert [one.name for one in tmp_path.iterdir()] == [WEIGHTS], "nothing unfinished stays behind"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask(), "who may read the folder may read the model"


def umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_anybody_reads_the_weights_and_what_they_are(
    digits: tuple[TrainedModel, dict[str, float], Table], tmp_path: Path
) -> None:
    digits[0].save(tmp_path / WEIGHTS)
    with safe_open(tmp_path / WEIGHTS, framework="np") as file:
        weights, about = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["tunelab"])  # noqa: SIM118
    assert weights.keys() == digits[0].weights.keys()
    assert all(np.array_equal(weights[name], digits[0].weights[name]) for name in weights)
    assert about["model"]["plugin"] == "mlp"
    assert about["versions"]["numpy"] == np.__version__
    assert about["classes"] == [str(digit) for digit in range(10)]


def test_the_examples_are_rows_as_they_came(digits: tuple[TrainedModel, dict[str, float], Table]) -> None:
    model, _, table = digits
    assert model.examples.shape == (3, 64)
    assert all((table.x == row).all(axis=1).any() for row in model.examples)


def test_however_many_rows_pass_a_block_at_a_time(
    digits: tuple[TrainedModel, dict[str, float], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, table = digits
    passes, sizes = model._passes[0], []
    outputs = passes.outputs
    monkeypatch.setattr(passes, "outputs", lambda rows: (sizes.append(len(rows)), outputs(rows))[1])
    many = np.tile(table.x, (5, 1))[:500]
    assert model.outputs_of(many)[-1] == pytest.approx(model.outputs_of(many[-1:])[0], rel=1e-4, abs=1e-5)
    assert sizes == [ROWS_A_BLOCK, ROWS_A_BLOCK, 500 - 2 * ROWS_A_BLOCK, 1]
    assert model.outputs_of(many[:0]).shape == (0, 10)


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
    weights, about = read(path)
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("weights: none\n")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "one bit of a weight":
            path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
        case "one digit of the scaling":
            at = whole.index(b"target_spread") + 20
            path.write_bytes(whole[:at] + b"7" + whole[at + 1 :])
        case "pickle":
            path.write_bytes(pickle.dumps(Payload()))
        case "npy":
            buffer = io.BytesIO()
            np.save(buffer, np.ones(3))
            path.write_bytes(buffer.getvalue())
        case "another's safetensors":
            path.write_bytes(save({"x": np.ones(3)}))
        case "not an object":
            path.write_bytes(save({"x": np.ones(3)}, {"tunelab": "null"}))
        case "no model":
            write(path, weights, about | {"model": None})
        case "field missing":
            write(path, weights, {name: value for name, value in about.items() if name != "inputs"})
        case "field unknown":
            write(path, weights, about | {"inputs": {"colour": 1}})
        case "weight missing":
            write(path, {name: value for name, value in weights.items() if name != "0.bias"}, about)
        case "weight unknown":
            write(path, weights | {"9.bias": np.ones(3)}, about)
        case "weight of another shape":
            write(path, weights | {"0.bias": np.ones(3)}, about)
        case "scaling missing":
            write(path, weights, about | {"scaling": {}})
        case "scaling of another width":
            write(path, weights, about | {"scaling": about["scaling"] | {"shift": [1.0]}})
    assert path.read_bytes() != whole
    return path


DAMAGES = ["empty", "text", "truncated", "one bit of a weight", "one digit of the scaling", "pickle", "npy"]
DAMAGES += ["another's safetensors", "not an object", "no model", "field missing", "field unknown", "weight missing"]
DAMAGES += ["weight unknown", "weight of another shape", "scaling missing", "scaling of another width"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_model_is_refused_and_never_run(
    damage: str, tmp_path: Path, digits: tuple[TrainedModel, dict[str, float], Table]
) -> None:
    path = written(tmp_path / "model.safetensors", damage, digits[0])
    with pytest.raises(DataError, match=r"model\.safetensors"):
        TrainedModel.load(path)
    assert not Payload.ran
    gc.collect()  # a file left open would warn here, and warnings are errors


@pytest.mark.parametrize("name", ["missing.safetensors", "."])
def test_a_path_without_a_model_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        TrainedModel.load(tmp_path / name)
