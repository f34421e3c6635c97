"""Logs the best trial's model in MLflow, and registers it: once each, however often called."""

from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model

from tunelab.tracking import mlflow_model
from tunelab.training.weights_file import read_about

NAME = "model"
"""What the model is called: `runs:/<the best trial's run>/model`."""


def log_best_model(client: MlflowClient, run: str, weights: Path, program: Path | None) -> str | None:
    """Log the weights as an artifact of the trial's run, and as a model with signature and example; return its id.

    Args:
        client: where to.
        run: the best trial's run.
        weights: its `.safetensors`.
        program: what a worker made of a PyTorch module; without it, a module is its weights alone, and no model.
    """
    found = _logged(client, run)
    if found:
        return found
    client.log_artifact(run, str(weights))
    if program is None and read_about(weights)["is_module"]:
        return None
    (last,) = client.get_metric_history(run, "objective")[-1:]
    mlflow.set_tracking_uri(client.tracking_uri)
    mlflow.set_experiment(experiment_id=client.get_run(run).info.experiment_id)  # where the model lies
    logged = Model.log(
        artifact_path=None,
        flavor=mlflow_model,
        name=NAME,
        run_id=run,
        step=last.step,  # whose metrics are shown beside the model
        weights=weights,
        program=program,
        validate_serving_input=False,  # it would be loaded and run here, which takes seconds
    )
    return str(logged.model_id)


def register(client: MlflowClient, run: str, model: str, name: str, tags: dict[str, str]) -> str:
    """Register a logged model under a name; return where it is found: `models:/digits/3`.

    Args:
        client: where to.
        run: the run that made it.
        model: its id.
        name: of the registered model, which is made if there is none.
        tags: of this version.
    """
    mlflow.set_tracking_uri(client.tracking_uri)
    before = [found for found in client.search_model_versions(f"run_id = '{run}'") if found.name == name]
    version = before[0] if before else mlflow.register_model(f"models:/{model}", name, tags=tags)
    return f"models:/{name}/{version.version}"


def _logged(client: MlflowClient, run: str) -> str | None:
    """Return the run's model; one that a killed writer left half made is deleted."""
    outputs = client.get_run(run).outputs
    for output in outputs.model_outputs if outputs else ():
        model: LoggedModel = client.get_logged_model(output.model_id)
        if model.status == LoggedModelStatus.READY:
            return str(model.model_id)
        client.delete_logged_model(model.model_id)
    return None
