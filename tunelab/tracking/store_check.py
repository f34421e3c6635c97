"""Looks whether a tracking store can be used, before anything is trained and without MLflow: in milliseconds."""

import os
from pathlib import Path

from tunelab.errors import StoreError
from tunelab.tracking.server_check import server_answers
from tunelab.tracking.tracking_uri import is_server, sqlite_file

_SQLITE_MAGIC = b"SQLite format 3\0"


def is_usable(uri: str) -> bool:
    """Whether the store at `uri` surely works; False when only MLflow can tell. Raises StoreError when it cannot."""
    if is_server(uri):
        return server_answers(uri)
    file = sqlite_file(uri)
    if file is not None:
        _check_sqlite(file)
    return file is not None


def _check_sqlite(file: Path) -> None:
    place = _nearest_folder(file)
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unusable(file, f"the folder {place} cannot be written to")
    if not file.exists():
        return
    if not file.is_file() or not os.access(file, os.W_OK):
        raise _unusable(file, "it is not a file that can be written to")
    with file.open("rb") as opened:
        if opened.read(len(_SQLITE_MAGIC)) not in (_SQLITE_MAGIC, b""):
            raise _unusable(file, "the file is not a SQLite database")


def _nearest_folder(file: Path) -> Path:
    """Return the folder that exists and in which the file, or its folder, is to be made."""
    return next(folder for folder in file.parents if folder.exists())


def _unusable(file: Path, reason: str) -> StoreError:
    return StoreError(
        f"A SQLite file that MLflow can write is required at {file}: {reason}. "
        f"Set MLFLOW_TRACKING_URI to sqlite:///<another file>, or run where mlflow.db can be written."
    )
