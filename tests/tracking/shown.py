"""A study, as MLflow shows it."""

import time
import warnings
from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from tunelab.tracking.mirror_state import MirrorState

with warnings.catch_warnings():  # MLflow 3.17 maps a table with a loader that SQLAlchemy 2.1 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def parent_of(client: MlflowClient, experiment: str = "digits") -> Run:
    (parent,) = [run for run in runs_of(client, experiment) if "mlflow.parentRunId" not in run.data.tags]
    return parent


def children_of(client: MlflowClient, experiment: str = "digits") -> dict[int, Run]:
    """The trials' runs; fails where a trial has two."""
    children = [run for run in runs_of(client, experiment) if "mlflow.parentRunId" in run.data.tags]
    numbered = {int(run.data.tags["tunelab.trial"]): run for run in children}
    assert len(numbered) == len(children)
    return numbered


def runs_of(client: MlflowClient, experiment: str) -> list[Any]:
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else list(client.search_runs([found.experiment_id]))


def curve(client: MlflowClient, run: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run, metric)]


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def nothing_runs(state: MirrorState, client: MlflowClient) -> bool:
    statuses = {run.info.status for run in runs_of(client, "digits")}
    return not state.open and "RUNNING" not in statuses
