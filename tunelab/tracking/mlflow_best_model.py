"""Logs the best trial's network as an MLflow model that `mlflow.pyfunc.load_model` loads."""

import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from tunelab.trial import DataRecord

NAME = "model"
"""What the model is called: `runs:/<the best trial's run>/model`."""

_CODE = Path(__file__).with_name("mlflow_model.py")


def log_best_model(client: MlflowClient, run: str, weights: Path, data: DataRecord | None) -> None:
    """Log the weights as an artifact of the trial's run, and as a model with a signature; once, however often called.

    Args:
        client: where to.
        run: the best trial's run.
        weights: its `.npz`.
        data: what the network was trained on, which gives the signature.
    """
    found = client.get_run(run)
    if found.outputs and found.outputs.model_outputs:
        return
    client.log_artifact(run, str(weights))
    (last,) = client.get_metric_history(run, "objective")[-1:]
    mlflow.set_tracking_uri(client.tracking_uri)
    mlflow.set_experiment(experiment_id=found.info.experiment_id)  # a model lies in the experiment that is active
    with warnings.catch_warnings():  # advice on how to call this
        warnings.simplefilter("ignore", UserWarning)
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            name=NAME,
            run_id=run,
            step=last.step,  # whose metrics are shown beside the model
            python_model=str(_CODE),
            artifacts={"weights": str(weights)},
            signature=_signature(data) if data else None,
            pip_requirements=_requirements(),  # found out by MLflow, they take 2 s
        )


def _signature(data: DataRecord) -> ModelSignature:
    """Rows of features in; class labels, or values a row, out."""
    inputs = Schema([TensorSpec(np.dtype("float64"), (-1, data.features))])
    if data.targets == "classes":
        return ModelSignature(inputs, Schema([TensorSpec(np.dtype("str"), (-1,))]))
    return ModelSignature(inputs, Schema([TensorSpec(np.dtype("float64"), (-1, data.outputs))]))


def _requirements() -> list[str]:
    try:
        return [f"tunelab=={version('tunelab')}"]
    except PackageNotFoundError:  # run from its source, not installed
        return ["tunelab"]
