"""A trial's network as an MLflow model: how it is saved, and what `mlflow.pyfunc.load_model` loads. Nothing is pickled.

It is a flavor of its own, as MLflow's documentation describes them: a folder of the weights, their signature and what
to install. MLflow's `python_model` costs seven times the time: it compares every installed package.
"""

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from tunelab.trial import DataRecord

_WEIGHTS = "weights.npz"
_REQUIREMENTS = "requirements.txt"
_ENVIRONMENT = "python_env.yaml"


class Predictor:
    """Predicts with the best trial's network: class labels, or values of shape (rows, outputs)."""

    def __init__(self, weights: Path) -> None:
        from tunelab.training.trained import TrainedModel  # only whoever loads the model needs what trains

        self._trained = TrainedModel.load(weights)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return predictions for rows of features: an array or a data frame."""
        return self._trained.predict(np.asarray(model_input, dtype=float))


def _load_pyfunc(path: str) -> Predictor:
    """Load what `save_model` wrote: MLflow calls it by this name."""
    return Predictor(Path(path))


def save_model(path: str, mlflow_model: Model, *, weights: Path, data: DataRecord | None) -> None:
    """Write the model's folder: `mlflow.models.Model.log` calls it by this name.

    Args:
        path: the folder, which is made.
        mlflow_model: MLflow's description of the model, which is completed.
        weights: the network's `.npz`.
        data: what it was trained on, which gives the signature.
    """
    folder = Path(path)
    folder.mkdir(parents=True)
    shutil.copy(weights, folder / _WEIGHTS)
    (folder / _REQUIREMENTS).write_text(f"mlflow=={mlflow.__version__}\n{_requirement()}\n")
    (folder / _ENVIRONMENT).write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: [pip]\ndependencies: [-r {_REQUIREMENTS}]\n"
    )
    if data:
        mlflow_model.signature = _signature(data)
    pyfunc.add_to_model(mlflow_model, loader_module=__name__, data=_WEIGHTS, python_env=_ENVIRONMENT)
    mlflow_model.save(str(folder / "MLmodel"))


def _signature(data: DataRecord) -> ModelSignature:
    """Rows of features in; class labels, or values a row, out."""
    inputs = Schema([TensorSpec(np.dtype("float64"), (-1, data.features))])
    if data.targets == "classes":
        return ModelSignature(inputs, Schema([TensorSpec(np.dtype("str"), (-1,))]))
    return ModelSignature(inputs, Schema([TensorSpec(np.dtype("float64"), (-1, data.outputs))]))


def _requirement() -> str:
    try:
        return f"tunelab=={version('tunelab')}"
    except PackageNotFoundError:  # run from its source, not installed
        return "tunelab"
