"""Opens MLflow's store, and makes a SQLite one so that neither a race nor a kill can break it.

MLflow builds its schema in dozens of steps in the file itself. Two processes that do so at once, or a kill in
between, leave a file that never opens again. Here it is built beside its place, under a lock, and moved there whole.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tunelab.errors import StoreError
from tunelab.tracking.process_lock import process_lock
from tunelab.tracking.tracking_uri import sqlite_file


def open_store(uri: str) -> MlflowClient:
    """Return a client of the store at `uri`; a SQLite file that does not exist is made first."""
    if file := sqlite_file(uri):
        _make_sqlite(file)
    client = MlflowClient(uri)
    client.search_experiments(view_type=ViewType.ALL, max_results=1)  # a server is first asked here
    return client


def experiment_id(client: MlflowClient, name: str) -> str:
    """Return the experiment's identifier; makes it where there is none.

    `MLFLOW_EXPERIMENT_ID` and `MLFLOW_EXPERIMENT_NAME` go before `name`, as everywhere in MLflow.
    """
    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return str(client.get_experiment(given).experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or name
    found = client.get_experiment_by_name(name)
    if found is None:
        return _created(client, name)
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"An active MLflow experiment is required, but {name!r} was deleted. Restore it "
            f"(mlflow experiments restore -x {found.experiment_id}), or set MLFLOW_EXPERIMENT_NAME to another."
        )
    return str(found.experiment_id)


def analyze(uri: str) -> None:
    """Let SQLite count its rows: sorting 10,000 runs by a metric then takes 0.1 s instead of 8 s."""
    if file := sqlite_file(uri):
        connection = sqlite3.connect(file, timeout=20)
        connection.execute("PRAGMA analysis_limit = 1000")
        connection.execute("ANALYZE")
        connection.close()


def _created(client: MlflowClient, name: str) -> str:
    try:
        return str(client.create_experiment(name, artifact_location=_artifacts(client.tracking_uri)))
    except MlflowException:  # another study made it in the meantime
        if (found := client.get_experiment_by_name(name)) is None:
            raise
        return str(found.experiment_id)


def _artifacts(uri: str) -> str | None:
    """Return where a SQLite store's artifacts lie, beside it and in full; a server knows its own place.

    Left out, MLflow would freeze whatever folder this process happens to run in.
    """
    file = sqlite_file(uri)
    return (file.parent / "mlartifacts").as_uri() if file else None


def _make_sqlite(file: Path) -> None:
    if _is_there(file):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with process_lock(file.with_name(f".{file.name}.lock")):
        if not _is_there(file):
            _build(file)


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _build(file: Path) -> None:
    """Build the schema in one file, copy it into a second that is closed properly, and move that into place."""
    schema, ready = (file.with_name(f".{file.name}.{part}") for part in ("schema", "ready"))
    _remove(schema, ready)  # a killed process left them
    MlflowClient(f"sqlite:///{schema}").search_experiments(max_results=1)
    source, target = sqlite3.connect(schema), sqlite3.connect(ready)
    source.backup(target)
    target.execute("PRAGMA journal_mode = WAL")
    target.close()
    source.close()
    os.replace(ready, file)
    _remove(schema)


def _remove(*files: Path) -> None:
    for file in files:
        for name in (file.name, f"{file.name}-journal", f"{file.name}-wal", f"{file.name}-shm"):
            file.with_name(name).unlink(missing_ok=True)


@event.listens_for(Engine, "connect")
def _spare_syncs(connection: Any, _: object) -> None:
    """Sync a write-ahead log at checkpoints only, which is safe; another journal keeps its own setting."""
    if isinstance(connection, sqlite3.Connection):
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        if journal == "wal":
            connection.execute("PRAGMA synchronous = NORMAL")
