"""What a record in a store names is not imported, unless it is a plugin, PyTorch's, or in the person's own file."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient

from tunelab import Experiment, Study
from tunelab.contracts import found_at, vouched_only
from tunelab.errors import ExperimentError, InputError
from tunelab.models import Function, TorchModel
from tunelab.optimizers import TorchOptimizer
from tunelab.study import reproduce
from tunelab.study.joined import EXPERIMENT
from tunelab.study.stored import stored_experiment

from .rig import bowl, search, wine

MODULE = """from pathlib import Path
from tunelab.optimizers import SGD

HERE = Path(__file__).parent
(HERE / "imported").touch()

def run(*given, **named):
    (HERE / "called").touch()

class Rule(SGD):
    pass
"""
RULE = {"plugin": "theirs:Rule", "fields": {}}
MODEL, OPTIMIZER = "tunelab.models.torch_model:TorchModel", "tunelab.optimizers.torch_optimizer:TorchOptimizer"

NAMED: dict[str, Mapping[str, Any]] = {
    "plugin": {"optimizer": RULE},
    "plugin by a deeper path": {"optimizer": {"plugin": "theirs:Rule.search", "fields": {}}},
    "plugin through a package that is vouched for": {"optimizer": {"plugin": "tunelab.plugins:load", "fields": {}}},
    "option of a choice": {"optimizer": {"choice": ["adam", RULE]}},
    "plugin in a plugin": {"optimizer": {"plugin": "lookahead", "fields": {"inner": RULE}}},
    "searched plugin in a plugin": {"optimizer": {"plugin": "lookahead", "fields": {"inner": {"choice": [RULE]}}}},
    "maker": {"model": {"plugin": "theirs:Rule", "of": "torch.nn:Linear", "fields": {}}},
    "of a model": {"model": {"plugin": MODEL, "of": "os:system", "fields": {"command": "touch called"}}},
    "of a model of theirs": {"model": {"plugin": MODEL, "of": "theirs:run", "fields": {}}},
    "of an optimizer": {"optimizer": {"plugin": OPTIMIZER, "of": "theirs:run", "fields": {"lr": 0.1}}},
    "of, through torch": {"optimizer": {"plugin": OPTIMIZER, "of": "torch:load", "fields": {"lr": 0.1}}},
    "of, through torch's names": {"model": {"plugin": MODEL, "of": "torch.nn:modules.module.torch.load", "fields": {}}},
    "of, no module": {"model": {"plugin": MODEL, "of": "torch.nn:Parameter", "fields": {}}},
    "of, no optimizer": {"optimizer": {"plugin": OPTIMIZER, "of": "torch.optim.optimizer:Any", "fields": {"lr": 0.1}}},
    "function of a model": {"model": {"plugin": "function", "fields": {"f": "theirs:run", "start": [1.0]}}},
    "gradient of a model": {
        "model": {"plugin": "function", "fields": {"f": "torch.nn:Linear", "gradient": "theirs:run", "start": [1.0]}}
    },
    "schedule": {"schedule": RULE},
    "loss": {"loss": "theirs:run"},
    "loss of torch's that is none": {"loss": "torch.nn.functional:handle_torch_function"},
    "metric": {"metrics": {"a": "theirs:run"}},
    "number": {"epochs": {"choice": [1, RULE]}},
    "system": {"loss": "os:system"},
}
"""Where a record may name code, and what stands there."""

DATA = {"data": RULE}
"""With an experiment that has data this is not read at all."""

LOOP = {"function": "theirs:run", "minimize": "loss", "name": "wine", "parameters": {}, "source": None}
INSIDE = {**LOOP, "function": "math:hypot", "parameters": {"rule": RULE}}


@dataclass
class Theirs:
    """A module that others could name: importing it leaves a trace, and so does calling what is in it."""

    folder: Path

    @property
    def traces(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"theirs.py"}


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theirs:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "theirs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    return Theirs(folder)


class Mirrored:
    """A study in a store of MLflow's, whose record a test may write anew."""

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self._client = MlflowClient(self.uri)
        self.study: Study = experiment.run(
            trials=1, executor="inline", tracking_uri=self.uri, folder=folder / "studies", search="all"
        )

    def write(self, fields: Mapping[str, Any]) -> None:
        self._client.log_text(self.study.mlflow_run_id or "", json.dumps(fields), "experiment.json")

    def reproduce(self, given: Experiment | None = None) -> Any:
        return reproduce(self.study.mirror.runs[0], tracking_uri=self.uri, experiment=given)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Mirrored:
    folder = tmp_path_factory.mktemp("mirrored")
    shutil.copy(template, folder / "mlflow.db")
    return Mirrored(folder, wine(epochs=1))


FIELDS = json.loads(wine(epochs=1).to_json())


@pytest.mark.torch
@pytest.mark.parametrize(
    ("named", "given"),
    [
        *((named, given) for named in NAMED.values() for given in (None, wine(epochs=1))),
        (DATA, None),
        ({"name": "bowl", **DATA}, bowl()),
    ],
)
def test_code_that_a_record_in_mlflow_names_is_not_imported(
    named: Mapping[str, Any], given: Experiment | None, mirrored: Mirrored, theirs: Theirs
) -> None:
    mirrored.write({**FIELDS, **named})
    with pytest.raises(ExperimentError, match=r"the record names the code '.*', which is not imported: .* --file FILE"):
        mirrored.reproduce(given)
    assert theirs.traces == set()


@pytest.mark.parametrize("fields", [LOOP, INSIDE], ids=["loop", "parameter of a loop"])
def test_a_loop_that_a_record_in_mlflow_names_is_not_imported(
    fields: Mapping[str, Any], mirrored: Mirrored, theirs: Theirs
) -> None:
    mirrored.write(fields)
    with pytest.raises(ExperimentError, match=r"of a loop it holds no more than the name, '.*'\. Give the file"):
        mirrored.reproduce()
    assert theirs.traces == set()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of wine and one of bowl in a database."""
    folder = tmp_path_factory.mktemp("shared")
    for each in (wine(), bowl()):
        search(each, folder, storage=f"sqlite:///{folder}/studies.db", trials=1)
    return folder


@pytest.mark.torch
@pytest.mark.parametrize(("named", "given"), [*((named, wine()) for named in NAMED.values()), (DATA, bowl())])
def test_code_that_a_shared_study_names_is_not_imported(
    named: Mapping[str, Any], given: Experiment, theirs: Theirs, shared: Path
) -> None:
    url, name = f"sqlite:///{shared}/studies.db", f"{given.name}-1"
    study = optuna.load_study(study_name=name, storage=url)
    study.set_user_attr(EXPERIMENT, json.dumps(json.loads(given.to_json()) | named))
    with pytest.raises(ExperimentError, match=rf"the study {name} in sqlite:.* cannot be joined: the record names the"):
        search(given, shared, storage=url, join=name, trials=1)
    assert theirs.traces == set()


AMISS: list[Any] = [None, 7, "x", [], [[]], {}, {"of": []}, {"choice": 7}, {"choice": [[]]}, {"float": {"low": []}}]
"""What may stand in a field that expects something else."""


@pytest.mark.parametrize("given", [None, wine(metrics={}), bowl()], ids=["alone", "wine", "bowl"])
def test_a_record_that_is_damaged_is_no_experiment_or_another(given: Experiment | None) -> None:
    inside: list[Any] = [{"plugin": name, "fields": {}, **amiss} for name, amiss in [
        ("adam", {"of": []}), ("adam", {"own": {}}), ("adam", {"fields": {"lr": []}}), ("adam", {"fields": {"": 1}}),
    ]]  # fmt: skip
    for field in FIELDS:
        for value in (*AMISS, *inside):
            with suppress(InputError):
                assert isinstance(stored_experiment(json.dumps({**FIELDS, field: value}), given), Experiment)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '"wine"', "[" * 10**5, None, 7, b"\xff"])
@pytest.mark.parametrize("given", [None, wine()], ids=["alone", "wine"])
def test_a_text_that_is_no_object_is_no_experiment(text: Any, given: Experiment | None) -> None:
    with pytest.raises(ExperimentError, match=r"^no experiment in JSON: "):
        stored_experiment(text, given)


def test_metrics_that_are_a_list_are_no_experiments() -> None:
    for given in (None, wine(metrics={})):
        with pytest.raises(ExperimentError):
            stored_experiment(json.dumps({**FIELDS, "metrics": []}), given)


def height(point: np.ndarray) -> float:
    return float((point**2).sum())


def test_what_the_persons_own_experiment_names_is_imported(tmp_path: Path) -> None:
    own = Experiment(
        name="own", model=Function(f=height, start=(1.0, 2.0)), optimizer="sgd", epochs=1, steps_per_epoch=2
    )
    mirrored = Mirrored(tmp_path, own)
    with pytest.raises(ExperimentError, match=rf"the record names the code '{__name__}:height', which is not imported"):
        mirrored.reproduce()
    assert mirrored.reproduce(own).exact


@pytest.mark.torch
def test_classes_of_pytorchs_are_imported(tmp_path: Path) -> None:
    import torch

    net = TorchModel(torch.nn.Linear)
    made = Experiment(
        name="net", data="wine", model=net, optimizer=TorchOptimizer(torch.optim.AdamW, lr=0.01), epochs=1,
        backend="torch", loss=torch.nn.functional.cross_entropy,
    )  # fmt: skip
    mirrored = Mirrored(tmp_path, made)
    assert mirrored.reproduce().equal


def test_what_is_vouched_for_ends_with_the_record(theirs: Theirs) -> None:
    with pytest.raises(ExperimentError, match="theirs:Rule"):
        stored_experiment(json.dumps({**FIELDS, "optimizer": RULE}), None)
    assert Experiment.from_json(json.dumps({**FIELDS, "optimizer": RULE})).optimizer is not None
    assert "imported" in theirs.traces


def test_an_installed_plugins_own_names_are_imported_within_a_record() -> None:
    with vouched_only(()):
        with pytest.raises(ExperimentError, match="'math:hypot'"):
            found_at("math:hypot")
        with vouched_only(None):
            assert found_at("math:hypot")(3.0, 4.0) == 5.0
        with pytest.raises(ExperimentError, match="'math:hypot'"):
            found_at("math:hypot")
