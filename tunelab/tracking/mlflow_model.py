"""The best trial's model as an MLflow model: its folder, and what `mlflow.pyfunc.load_model` loads of it.

It is a flavor of its own, as MLflow's documentation describes them, and predicts what `TrainedModel.predict` does: rows
as they come in, class labels or values out. A network of tunelab's own layers is its weights, and nothing is pickled. A
PyTorch module is the program that the study's worker made of it, which `mlflow.pytorch.load_model` loads too: made
there, where the person's code is, it needs no PyTorch and none of that code here.

MLflow's own `log_model` costs seven times the time: it compares every installed package.
"""

import math
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.models.utils import _save_example
from mlflow.types import Schema, TensorSpec

from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.training.weights_file import read_about

_WEIGHTS = "weights.safetensors"
_DATA = "data"
_REQUIREMENTS = "requirements.txt"
_ENVIRONMENT = "python_env.yaml"

PICKLED = ".pth"
"""How the file of a program ends that is a pickled module, as `mlflow.pytorch` calls it too."""


class LayersPredictor:
    """Predicts with a network of tunelab's own layers.

    Args:
        weights: the trained model's file.
    """

    def __init__(self, weights: Path) -> None:
        from tunelab.training.trained import TrainedModel  # only whoever loads the model needs what trains

        self._trained = TrainedModel.load(weights)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return class labels, or values `(rows, outputs)`, for rows of features: an array or a data frame."""
        return self._trained.predict(np.asarray(model_input, dtype=float))


class ModulePredictor:
    """Predicts with a PyTorch module, on the CPU.

    Args:
        folder: the MLflow model's.
        classes: labels, where the module tells classes; those beyond them are their numbers.
    """

    def __init__(self, folder: Path, classes: list[str] | None) -> None:
        from mlflow.pytorch import load_model

        self._classes = classes
        self._module = load_model(str(folder))  # type: ignore[no-untyped-call]

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return class labels, or what else the module returns, for rows as the signature describes them."""
        outputs = self._outputs(np.ascontiguousarray(model_input))
        if self._classes is None or isinstance(outputs, tuple) or outputs.shape[-1] < len(self._classes):
            return outputs
        more = range(len(self._classes), outputs.shape[-1])
        return np.array([*self._classes, *map(str, more)])[outputs.argmax(-1)]

    def _outputs(self, rows: np.ndarray) -> Any:
        import torch

        blocks = [torch.from_numpy(rows[i : i + ROWS_A_BLOCK]) for i in range(0, len(rows), ROWS_A_BLOCK)]
        with torch.no_grad():
            found = [self._module(block) for block in blocks]
        if isinstance(found[0], tuple):
            return tuple(torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return torch.cat(found).numpy()


def _load_pyfunc(path: str) -> LayersPredictor | ModulePredictor:
    """Load what `save_model` wrote: MLflow calls it by this name."""
    folder = Path(path)
    if not (folder / _DATA).exists():
        return LayersPredictor(folder / _WEIGHTS)
    return ModulePredictor(folder, (Model.load(path).metadata or {}).get("classes"))


def save_model(
    path: str, mlflow_model: Model, *, weights: Path, program: Path | None, validate_serving_input: bool
) -> None:
    """Write the model's folder: `mlflow.models.Model.log` calls it by this name.

    Args:
        path: the folder, which is made.
        mlflow_model: MLflow's description of the model, which is completed.
        weights: the trained model's file.
        program: the PyTorch program, where it is a module.
        validate_serving_input: MLflow's own, who would load the model to try it.
    """
    folder, about = Path(path), read_about(weights)
    folder.mkdir(parents=True)
    mlflow_model.signature = _signature(about)
    _save_example(mlflow_model, _example(about), path)
    if program is None:
        shutil.copy(weights, folder / _WEIGHTS)
    else:
        _add_program(folder, mlflow_model, program, about)
    requirements = _requirements(about["versions"], *(["cloudpickle"] if program and program.suffix == PICKLED else []))
    (folder / _REQUIREMENTS).write_text("".join(f"{each}\n" for each in requirements))
    (folder / _ENVIRONMENT).write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: [pip]\ndependencies: [-r {_REQUIREMENTS}]\n"
    )
    pyfunc.add_to_model(mlflow_model, loader_module=__name__, python_env=_ENVIRONMENT)
    mlflow_model.save(str(folder / "MLmodel"))


def _add_program(folder: Path, mlflow_model: Model, program: Path, about: dict[str, Any]) -> None:
    """Lay a program where `mlflow.pytorch` looks for it."""
    (folder / _DATA).mkdir()
    shutil.copy(program, folder / _DATA / f"model{program.suffix}")
    if program.suffix == PICKLED:
        (folder / _DATA / "pickle_module_info.txt").write_text("mlflow.pytorch.pickle_module")
    mlflow_model.add_flavor("pytorch", model_data=_DATA, pytorch_version=about["versions"]["torch"], code=None)
    if about["targets"] == "classes" and not about["reconstructs"]:
        mlflow_model.metadata = {"classes": about["classes"]}


def _signature(about: dict[str, Any]) -> ModelSignature | None:
    """Rows of features in; class labels, or values a row, out."""
    if about["targets"] == "none":
        return None
    inputs = Schema([TensorSpec(_row_type(about), (-1, *_row_shape(about)))])
    count, places = about["outputs"]["count"], about["outputs"]["places"]
    if about["reconstructs"]:
        return ModelSignature(inputs)
    if about["targets"] == "classes":
        return ModelSignature(inputs, Schema([TensorSpec(np.dtype("str"), (-1, *([places] if places else [])))]))
    values = np.dtype("float64" if about["scaling"] else about["dtype"])
    return ModelSignature(inputs, Schema([TensorSpec(values, (-1, count))]) if count else None)


def _example(about: dict[str, Any]) -> np.ndarray | None:
    rows = about["examples"]
    return np.array(rows, _row_type(about)).reshape(-1, *_row_shape(about)) if rows else None


def _row_shape(about: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape in which the model takes a row: a module its own, layers a list of numbers."""
    shape = about["inputs"]["shape"]
    if about["ragged"]:
        return (-1,) * len(shape)
    return tuple(shape) if about["is_module"] else (math.prod(shape),)


def _row_type(about: dict[str, Any]) -> np.dtype[Any]:
    return np.dtype("int64" if about["inputs"]["symbols"] else about["x_type"])


def _requirements(versions: dict[str, str], *more: str) -> list[str]:
    """Return what to install; a build that its version names (2.13.0+cpu) is none that everybody can have."""
    needed = {"mlflow": mlflow.__version__, **versions, **{name: version(name) for name in more}}
    public = {name: found.partition("+")[0] for name, found in needed.items()}
    return [f"{name}=={found}" if found else name for name, found in public.items()]
