"""Trained PyTorch modules: what is kept of them is all of them, and comes back in any session."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.runs import classes, drawn, rows_of, train, values

from tunelab import Choice, Experiment, Float, Study, TrainedModel
from tunelab.contracts import Inputs, Outputs
from tunelab.errors import DataError, PluginError, RunError
from tunelab.models import SoftmaxRegression, TorchModel
from tunelab.optimizers import Adam, ScheduleFreeAdamW
from tunelab.tracking import MemoryTracker
from tunelab.training.weights_file import WEIGHTS, read, write

torch = pytest.importorskip("torch")

from safetensors.torch import load_model  # noqa: E402

from training import nets  # noqa: E402

TESTS = Path(__file__).parents[1]


def experiment(**fields: Any) -> Experiment:
    plain: dict[str, Any] = {
        "name": "patchwork",
        "data": classes(),
        "model": TorchModel.search(nets.patchwork, channels=Choice(2, 3), dropout=Float(0.0, 0.3)),
        "optimizer": Choice("sgd", "adam"),
        "batch_size": 16,
        "epochs": 3,
        "backend": "torch",
        "maximize": "val_accuracy",
    }
    return Experiment(**(plain | fields))


def search(made: Experiment, folder: Path, **settings: Any) -> Study:
    plain: dict[str, Any] = {"trials": 4, "executor": "inline", "tracker": MemoryTracker()}
    return made.run(**(plain | settings), folder=folder)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(experiment(), tmp_path_factory.mktemp("patchwork"))


def raw_validation(made: Experiment) -> tuple[np.ndarray, np.ndarray]:
    rows = rows_of(made)
    return rows.x_validation * rows.spread + rows.shift, rows.y_validation


# ---- what is kept


@pytest.mark.parametrize("optimizer", [Adam(lr=0.01), ScheduleFreeAdamW(lr=0.01)], ids=["adam", "averaging"])
def test_what_is_kept_is_what_was_evaluated_last(optimizer: Any) -> None:
    """Running statistics and averaged parameters included: without either, the loss would be another."""
    made = experiment(optimizer=optimizer, dtype="float64", epochs=4)
    (trial,) = drawn(made, 1)
    outcome = train(made, [trial])[0]
    assert outcome.ended is not None
    weights = outcome.ended.weights
    assert weights is not None
    rows, model = rows_of(made), made.configure(dict(trial.params)).model
    kept = TrainedModel.of(model, weights, rows, "float64", trial.seed)
    found = kept.evaluate(rows.x_validation, rows.y_validation)
    assert found["loss"] == pytest.approx(outcome.metric("val_loss")[-1], rel=1e-9)
    reset = weights | {"norm.running_mean": np.zeros_like(weights["norm.running_mean"])}
    without = TrainedModel.of(model, reset, rows, "float64", trial.seed)
    assert without.evaluate(rows.x_validation, rows.y_validation)["loss"] != pytest.approx(found["loss"], rel=1e-3)


def test_a_file_holds_the_state_dict_with_what_is_tied_once(study: Study) -> None:
    weights, about = read(study.folder / WEIGHTS)
    module = study.best.load()
    state = module.state_dict()
    assert weights.keys() == state.keys() - {"other.weight"}
    assert all(np.array_equal(weights[name], state[name].numpy()) for name in weights)
    assert {name: values.dtype.name for name, values in weights.items() if values.dtype != np.float32} == {
        "norm.num_batches_tracked": "int64"
    }
    assert weights["norm.num_batches_tracked"] == 3 * 6  # epochs, and batches of 16 in 93 rows
    assert about["model"]["of"] == "training.nets:patchwork"
    assert about["versions"]["torch"] == torch.__version__


def test_a_module_comes_back_whole(study: Study) -> None:
    assert study.best is not None
    params = study.best.trial.params
    module = study.best.load()
    assert isinstance(module, nets.Patchwork)
    assert not module.training
    assert module.other.weight is module.tied.weight
    assert module.frozen.out_channels == params["model.channels"]
    assert module.dropout.p == params["model.dropout"]
    frozen = [name for name, each in module.named_parameters() if not each.requires_grad]
    assert frozen == ["frozen.weight", "frozen.bias"]
    torch.manual_seed(study.best.trial.seed)
    first = nets.patchwork(int(str(params["model.channels"])))
    assert torch.equal(module.frozen.weight, first.frozen.weight), "a frozen layer is that of the trial's seed"
    assert torch.equal(module.passing, first.passing), "and so is what the file does not hold"
    assert not torch.equal(module.head.weight, first.head.weight)


def test_safetensors_own_loader_fills_a_module(study: Study) -> None:
    module = nets.patchwork(int(str(study.best.trial.params["model.channels"])))
    load_model(module, study.folder / WEIGHTS)  # strict: nothing is missing, and nothing more is there
    wanted = study.best.load().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in module.state_dict().items())


def test_only_the_best_trials_model_is_kept(study: Study) -> None:
    other = next(result for result in study.trials if result != study.best)
    with pytest.raises(RunError, match=f"the model of trial {other.trial.number} is not kept.*study.best.load"):
        other.load()
    assert study.best in study.trials


# ---- predictions


def test_predictions_are_as_right_as_the_study_says(study: Study) -> None:
    x, y = raw_validation(experiment())
    model = study.best_model()
    labels = model.predict(x)
    assert (labels == np.array(model.classes)[y]).mean() == study.best.value
    assert np.array_equal(model.predict(x.reshape(len(x), 64)), labels)


def test_a_module_on_raw_rows_computes_the_same_bits(study: Study) -> None:
    x, _ = raw_validation(experiment())
    model = study.best_model()
    with torch.no_grad():
        found = model.raw()(torch.from_numpy(x))
    assert torch.equal(found, torch.from_numpy(model.outputs_of(x)))
    scaled = (x - model.scaling["shift"]) / model.scaling["spread"]
    with torch.no_grad():
        again = model.module()(torch.from_numpy(scaled).float())
    assert torch.equal(found, again)


def test_values_are_predicted_in_their_own_units(tmp_path: Path) -> None:
    made = experiment(data=values(), model=TorchModel(nets.Linear), optimizer=Adam(lr=0.1), maximize=None, epochs=30)
    found = search(made, tmp_path, trials=2)
    x, y = raw_validation(made)
    model = found.best_model()
    truth = y * model.scaling["target_spread"] + model.scaling["target_shift"]
    error = ((model.predict(x) - truth) ** 2).mean() / model.scaling["target_spread"][0] ** 2
    assert error == pytest.approx(found.best.value, rel=1e-4)
    with torch.no_grad():
        assert np.array_equal(model.raw()(torch.from_numpy(x)).numpy(), model.predict(x))


def test_an_image_may_come_in_its_shape() -> None:
    def flat() -> Any:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))

    weights = {"1.weight": np.eye(10, 12, dtype=np.float32), "1.bias": np.zeros(10, np.float32)}
    scaling = {"shift": np.zeros(12), "spread": np.ones(12), "target_shift": np.zeros(10), "target_spread": np.ones(10)}
    kinds = (Inputs((1, 3, 4)), Outputs(10), "classes", tuple("abcdefghij"))
    model = TrainedModel(TorchModel(flat), weights, *kinds, scaling, "float64", "float32", 0, np.zeros((0, 12)))
    x = np.eye(12)[:10]
    assert "".join(model.predict(x)) == "".join(model.predict(x.reshape(10, 1, 3, 4))) == "abcdefghij"
    with pytest.raises(DataError, match=r"rows of 12 features, or of shape \(1, 3, 4\), was an array of shape"):
        model.predict(x.reshape(10, 3, 4))


def test_a_module_that_returns_something_else_says_so(tmp_path: Path) -> None:
    made = experiment(model=TorchModel(nets.Pair), loss=nets.first_of_two, maximize=None, optimizer=Adam())
    found = search(made, tmp_path, trials=1)
    with pytest.raises(RunError, match=r"Pair\(\) returns more than one tensor; call its module\(\)"):
        found.best_model().predict(raw_validation(made)[0])
    assert len(found.best.load()(torch.zeros(2, 64))) == 2


class Noisy(torch.utils.data.Dataset):
    """Items that are read anew in every epoch; more classes than it says."""

    def __init__(self, count: int) -> None:
        self._x = torch.from_numpy(classes()[0].reshape(-1, 1, 8, 8)[:count]).float()
        self._y = torch.from_numpy(classes()[1][:count])

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._x[index] + 0.01 * torch.rand(1, 8, 8), self._y[index]


def test_items_that_are_read_one_by_one_are_rows_as_they_are(tmp_path: Path) -> None:
    data = {"train": Noisy(96), "validation": Noisy(20), "test": Noisy(40)}
    found = search(
        experiment(data=data, optimizer=Adam(), model=TorchModel(nets.patchwork, channels=2)), tmp_path, trials=1
    )
    assert set(found.test) == {"test_loss", "test_accuracy"}
    model = TrainedModel.load(found.folder)
    assert (model.scaling, model.x_type, model.inputs.shape) == ({}, "float32", (1, 8, 8))
    x = torch.stack([x for x, _ in Noisy(40)])
    with torch.no_grad():
        outputs = model.module()(x)
        assert torch.equal(model.raw()(x), outputs)
    assert model.predict(x.numpy()).tolist() == [str(int(each)) for each in outputs.argmax(1)]
    with pytest.raises(DataError, match=r"expected rows of shape \(1, 8, 8\), was an array of shape \(40, 64\)"):
        model.predict(x.reshape(40, 64).numpy())


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    tokens = torch.randint(0, 7, (90, 5), generator=torch.Generator().manual_seed(0))
    made = experiment(data=(tokens, tokens.sum(1) % 3), model=TorchModel(nets.Tokens), optimizer=Adam())
    found = search(made, tmp_path, trials=1)
    model = TrainedModel.load(found.folder)
    assert model.x_type == model.examples.dtype.name == "int64"
    assert all((tokens.numpy() == row).all(axis=1).any() for row in model.examples)
    with torch.no_grad():
        assert torch.equal(model.raw()(tokens), model.module()(tokens))
        assert np.array_equal(model.outputs_of(tokens.numpy()), model.module()(tokens).numpy())


# ---- another session


SESSION = """
import sys
import numpy as np, torch
from tunelab import TrainedModel
model = TrainedModel.load(sys.argv[1])
x = np.load(sys.argv[2])
with torch.no_grad():
    scaled = torch.from_numpy((x - model.scaling["shift"]) / model.scaling["spread"]).float()
    np.savez(sys.argv[3], outputs=model.outputs_of(x), labels=model.predict(x), module=model.module()(scaled))
"""


def test_another_session_computes_the_same_bits(study: Study, tmp_path: Path) -> None:
    x, _ = raw_validation(experiment())
    np.save(tmp_path / "x.npy", x)
    moved = study.folder.rename(tmp_path / "elsewhere")
    try:
        command = [sys.executable, "-W", "error", "-c", SESSION, str(moved), "x.npy", "found.npz"]
        environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=120)
    finally:
        moved.rename(study.folder)
    model = study.best_model()
    with np.load(tmp_path / "found.npz") as found:
        assert np.array_equal(found["outputs"], model.outputs_of(x))
        assert np.array_equal(found["module"], model.outputs_of(x))
        assert np.array_equal(found["labels"], model.predict(x))


def test_a_function_that_no_session_can_import_loads_in_its_own_and_can_be_given(tmp_path: Path) -> None:
    def local(width: int) -> Any:
        return torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.Linear(width, 10))

    found = search(experiment(model=TorchModel.search(local, width=Choice(4, 8))), tmp_path, trials=2)
    assert found.best.load()[0].out_features == found.best.trial.params["model.width"]
    with pytest.raises(PluginError) as refusal:
        TrainedModel.load(found.folder)
    for part in (WEIGHTS, "local, which cannot be imported here: ", "PYTHONPATH", "TrainedModel.load(path, local)"):
        assert part in str(refusal.value)
    x, _ = raw_validation(experiment())
    wanted = found.best_model().outputs_of(x)
    for given in (local, TorchModel(local, width=found.best.trial.params["model.width"])):
        assert np.array_equal(TrainedModel.load(found.folder, given).outputs_of(x), wanted)


def with_form(study: Study, path: Path, **form: Any) -> Path:
    weights, about = read(study.folder / WEIGHTS)
    write(path, weights, about | {"model": about["model"] | form})
    return path


def test_a_function_that_changed_since_is_told(study: Study, tmp_path: Path) -> None:
    fields = {"channels": 7, "dropout": 0.1}
    with pytest.raises(
        DataError, match=r"is not of patchwork\(channels=7, .*as it is now: frozen.bias must have the shape"
    ):
        TrainedModel.load(with_form(study, tmp_path / "a.safetensors", fields=fields))
    with pytest.raises(PluginError, match=r"no field 'wings'.*Known: channels, dropout"):
        TrainedModel.load(with_form(study, tmp_path / "b.safetensors", fields={"wings": 2}))
    with pytest.raises(PluginError, match=r"Bilinear\(.*cannot be made: RuntimeError"):
        TrainedModel.load(study.folder, TorchModel(torch.nn.Bilinear, in1_features=2, in2_features=-2, bias=True))
    with pytest.raises(PluginError, match=r"'softmax-regression' is a plugin by itself, and is not made of"):
        TrainedModel.load(with_form(study, tmp_path / "c.safetensors", plugin="softmax-regression"))


def test_where_the_model_is_given_nothing_else_that_the_file_names_is_imported(study: Study, tmp_path: Path) -> None:
    file = with_form(study, tmp_path / "theirs.safetensors", of="antigravity:geohash")
    x, _ = raw_validation(experiment())
    assert np.array_equal(TrainedModel.load(file, nets.patchwork).outputs_of(x), study.best_model().outputs_of(x))
    file = with_form(study, tmp_path / "theirs.safetensors", plugin="antigravity:geohash")
    with pytest.raises(PluginError, match="the record names the code 'antigravity:geohash', which is not imported"):
        TrainedModel.load(file, nets.patchwork)
    assert "antigravity" not in sys.modules


def test_without_torch_the_error_says_what_to_install(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunelab.training.trained.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"best.safetensors holds a PyTorch module.*pip install 'tunelab\[torch\]'"):
        TrainedModel.load(study.folder)


@pytest.mark.parametrize("change", [lambda whole: whole[:-100], lambda whole: whole[:-3] + b"???", lambda whole: b""])
def test_a_damaged_file_is_refused(study: Study, change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(change((study.folder / WEIGHTS).read_bytes()))
    with pytest.raises(DataError, match="is no trained model of tunelab"):
        TrainedModel.load(tmp_path)


def test_a_model_of_layers_is_no_module(tmp_path: Path) -> None:
    found = search(experiment(model=SoftmaxRegression(), backend="numpy"), tmp_path, trials=1)
    assert isinstance(found.best.load(), TrainedModel)
    with pytest.raises(RunError, match=r"SoftmaxRegression\(\) is made of tunelab's own layers"):
        found.best_model().module()
