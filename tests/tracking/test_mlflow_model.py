"""A PyTorch module as MLflow holds it: loaded where nothing of the person's code is, it predicts the same bits."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from conftest import Server
from mlflow import MlflowClient

from tunelab import Experiment, Study, TrainedModel
from tunelab.errors import TrackingError
from tunelab.models import TorchModel
from tunelab.optimizers import Adam
from tunelab.tracking import MLflowTracker

torch = pytest.importorskip("torch")

NETS = """
import torch
from torch import nn


class Images(nn.Module):
    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels * 36, 10)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.first(x))).flatten(1))


class Branching(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(in_features, out_features), nn.Linear(in_features, out_features)

    def forward(self, x):
        x = x.flatten(1)
        return self.up(x) if x.sum() > 0 else self.down(x)


class Locked(Branching):
    def __init__(self, in_features: int, out_features: int) -> None:
        import threading

        super().__init__(in_features, out_features)
        self.lock = threading.Lock()
"""

SESSION = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import mlflow.pyfunc, mlflow.pytorch, torch
uri, place, x, out = sys.argv[1:]
mlflow.set_tracking_uri(uri)
x = np.load(x)
model, module = mlflow.pyfunc.load_model(place), mlflow.pytorch.load_model(place)
assert isinstance(module, torch.nn.Module)
assert "nets" not in sys.modules
with torch.no_grad():
    outputs = torch.cat([module(torch.from_numpy(x[start:start + 192])) for start in range(0, len(x), 192)])
example = model.input_example
np.savez(out, predicted=model.predict(x), outputs=outputs.numpy(), example=example, again=model.predict(example))
print(json.dumps([str(model.metadata.signature.inputs), str(model.metadata.signature.outputs)]))
"""


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The person's code, where no other process finds it by itself."""
    place = tmp_path_factory.mktemp("theirs")
    (place / "nets.py").write_text(NETS)
    sys.path.insert(0, str(place))
    import nets

    yield nets
    sys.path.remove(str(place))
    del sys.modules["nets"]


@dataclass(frozen=True)
class Loaded:
    predicted: np.ndarray
    outputs: np.ndarray
    example: np.ndarray
    again: np.ndarray
    inputs: str
    told: str


def loaded(uri: str, place: str, x: np.ndarray, folder: Path, *, pickles: bool = False) -> Loaded:
    """Return what a fresh process makes of a model, by each of MLflow's two ways."""
    np.save(folder / "x.npy", x)
    command = [sys.executable, "-c", SESSION, uri, place, "x.npy", "out.npz"]
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": str(pickles).lower()}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as found:
        return Loaded(**dict(found), **dict(zip(("inputs", "told"), json.loads(done.stdout), strict=True)))


def load_model(place: str) -> Any:
    with warnings.catch_warnings():  # at import, of MLflow's own type hints
        warnings.simplefilter("ignore")
        from mlflow.pyfunc import load_model

        return load_model(place)


def study_of(model: Any, folder: Path, uri: str, **fields: Any) -> Study:
    plain: dict[str, Any] = {
        "name": "digits", "data": "digits", "model": model, "optimizer": Adam(lr=0.01), "epochs": 1, "batch_size": 64,
        "backend": "torch",
    }  # fmt: skip
    settings = {name: fields.pop(name) for name in ("register", "executor") if name in fields}
    return Experiment(**(plain | fields)).run(trials=2, folder=folder, tracker=MLflowTracker(uri), **settings)


def test_a_module_is_loaded_where_its_code_is_not(store: str, tmp_path: Path, nets: Any) -> None:
    study = study_of(TorchModel(nets.Images), tmp_path / "studies", store, register="digits")
    mlflow.set_tracking_uri(store)
    model, x = study.best_model(), study.experiment.data.load().x.reshape(-1, 1, 8, 8)
    run = study.mirror.runs[study.best.trial.number]
    assert study.mirror.registered == "models:/digits/1"
    found = loaded(store, f"runs:/{run}/model", x, tmp_path)
    assert np.array_equal(found.predicted, model.predict(x))
    assert np.array_equal(found.outputs, model.outputs_of(x))
    assert np.array_equal(found.example.reshape(3, 64), model.examples)
    assert np.array_equal(found.again, model.predict(found.example))
    assert (found.inputs, found.told) == ("[Tensor('float64', (-1, 1, 8, 8))]", "[Tensor('str', (-1,))]")
    assert load_model("models:/digits/1").metadata.model_uuid == load_model(f"runs:/{run}/model").metadata.model_uuid
    assert study.notes == ()
    client = MlflowClient(store)
    client.download_artifacts(run, "best.safetensors", str(tmp_path))
    assert np.array_equal(TrainedModel.load(tmp_path / "best.safetensors").predict(x), model.predict(x))
    (logged,) = client.search_logged_models([study.mlflow_experiment_id or ""])
    folder = Path(str(logged.artifact_location).removeprefix("file://"))
    assert {file.name for file in folder.rglob("*") if file.is_file()} - {"registered_model_meta"} == {
        "MLmodel", "model.pt2", "requirements.txt", "python_env.yaml", "input_example.json",
        "serving_input_example.json",
    }  # fmt: skip
    needed = (folder / "requirements.txt").read_text().split()
    assert {each.partition("==")[0] for each in needed} == {"mlflow", "tunelab", "numpy", "torch"}
    assert f"torch=={torch.__version__.partition('+')[0]}" in needed
    assert {metric.key for metric in logged.metrics} >= {"val_loss", "objective"}


def test_values_come_out_in_their_own_units(store: str, tmp_path: Path, nets: Any) -> None:
    from torch import nn

    study = study_of(TorchModel(nn.Linear), tmp_path / "studies", store, name="sugar", data="diabetes")
    model, x = study.best_model(), study.experiment.data.load().x
    found = loaded(store, f"runs:/{study.mirror.runs[study.best.trial.number]}/model", x, tmp_path)
    assert np.array_equal(found.predicted, model.predict(x))
    assert np.array_equal(found.outputs, model.predict(x))
    assert (found.inputs, found.told) == ("[Tensor('float64', (-1, 10))]", "[Tensor('float64', (-1, 1))]")


class Items(torch.utils.data.Dataset):  # type: ignore[type-arg,misc]
    """Images that are read one by one; nobody says how many classes there are."""

    def __len__(self) -> int:
        return 80

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return torch.full((1, 8, 8), float(index % 4)), index % 4


def test_items_are_taken_as_the_module_takes_them(store: str, tmp_path: Path, nets: Any) -> None:
    data = {"train": Items(), "validation": Items()}
    study = study_of(TorchModel(nets.Images), tmp_path / "studies", store, data=data, executor="inline")
    mlflow.set_tracking_uri(store)
    model = load_model(f"runs:/{study.mirror.runs[study.best.trial.number]}/model")
    x = torch.stack([x for x, _ in map(Items().__getitem__, range(len(Items())))]).numpy()
    assert model.predict(x).tolist() == study.best_model().predict(x).tolist()
    assert str(model.metadata.signature.inputs) == "[Tensor('float32', (-1, 1, 8, 8))]"
    assert study.notes == ()


def test_a_module_that_cannot_be_traced_is_pickled_and_the_study_says_so(store: str, tmp_path: Path, nets: Any) -> None:
    study = study_of(TorchModel(nets.Branching), tmp_path / "studies", store)
    assert any(note.startswith("the best module is pickled for MLflow") for note in study.notes)
    model, x = study.best_model(), study.experiment.data.load().x.reshape(-1, 1, 8, 8)
    run = study.mirror.runs[study.best.trial.number]
    found = loaded(store, f"runs:/{run}/model", x, tmp_path, pickles=True)
    assert np.array_equal(found.predicted, model.predict(x))


def test_a_module_that_can_be_neither_is_kept_as_weights_alone(store: str, tmp_path: Path, nets: Any) -> None:
    with pytest.raises(TrackingError, match="not registered as 'locked': the best module is kept as weights alone"):
        study_of(TorchModel(nets.Locked), tmp_path / "studies", store, register="locked", executor="inline")
    client = MlflowClient(store)
    assert client.search_registered_models() == []
    (folder,) = (tmp_path / "studies").iterdir()
    assert TrainedModel.load(folder).module()(torch.zeros(2, 64)).shape == (2, 10)
    runs = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sum(item.path == "best.safetensors" for run in runs for item in client.list_artifacts(run.info.run_id)) == 1


ENGINE = """
import sys
from tunelab import Experiment
from tunelab.models import TorchModel
def net(out_features):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(64, out_features))
plain = dict(data="digits", model=TorchModel(net), optimizer="adam", epochs=1, backend="torch", test=0.2)
study = Experiment(name="lean", **plain).run(trials=2, register="lean")
assert study.mirror.registered == "models:/lean/1"
assert set(study.test) == {"test_loss", "test_accuracy"}
print(*({"torch", "mlflow", "pandas"} & set(sys.modules)))
"""


def test_the_engine_imports_neither_torch_nor_mlflow(store: str, tmp_path: Path) -> None:
    """And a function of `__main__`, which no other process could import, reaches MLflow's registry."""
    command = [sys.executable, "-c", ENGINE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_a_server_registers_a_module_and_gives_it_back(server: Server, tmp_path: Path, nets: Any) -> None:
    studies = [
        study_of(TorchModel(nets.Images), tmp_path / "studies", server.uri, name="served", register="served digits")
        for _ in range(2)
    ]
    assert [study.mirror.registered for study in studies] == [f"models:/served digits/{version}" for version in (1, 2)]
    model, x = studies[1].best_model(), studies[1].experiment.data.load().x.reshape(-1, 1, 8, 8)[:300]
    found = loaded(server.uri, "models:/served digits/2", x, tmp_path)
    assert np.array_equal(found.predicted, model.predict(x))
    assert np.array_equal(found.outputs, model.outputs_of(x))
