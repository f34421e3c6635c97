"""Logs the best trial's network as an MLflow model that `mlflow.pyfunc.load_model` loads."""

from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.models import Model

from tunelab.tracking import mlflow_model
from tunelab.trial import DataRecord

NAME = "model"
"""What the model is called: `runs:/<the best trial's run>/model`."""


def log_best_model(client: MlflowClient, run: str, weights: Path, data: DataRecord | None) -> None:
    """Log the weights as an artifact of the trial's run, and as a model with a signature; once, however often called.

    Args:
        client: where to.
        run: the best trial's run.
        weights: its `.npz`.
        data: what the network was trained on.
    """
    found = client.get_run(run)
    if found.outputs and found.outputs.model_outputs:
        return
    client.log_artifact(run, str(weights))
    (last,) = client.get_metric_history(run, "objective")[-1:]
    mlflow.set_tracking_uri(client.tracking_uri)
    mlflow.set_experiment(experiment_id=found.info.experiment_id)  # a model lies in the experiment that is active
    Model.log(
        artifact_path=None,
        flavor=mlflow_model,
        name=NAME,
        run_id=run,
        step=last.step,  # whose metrics are shown beside the model
        weights=weights,
        data=data,
    )
