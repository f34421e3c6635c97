"""In which MLflow a study is shown."""

from pathlib import Path

from tunelab.credentials import HIDDEN, redacted
from tunelab.errors import StoreError
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.tracking_uri import resolve_tracking_uri


def study_uri(folder: Path, given: str | None) -> str:
    """Return the tracking URI that is given, else the one in which the study is shown already, else the default.

    A study that is there already is not moved by `MLFLOW_TRACKING_URI`; that only brings user and password, if it
    names the same place.

    Args:
        folder: the study's.
        given: as a person gives it.

    Raises:
        StoreError: a place whose secrets are not known here.
    """
    before = MirrorState.load(folder).tracking_uri
    if given or not before:
        return resolve_tracking_uri(given)
    default = resolve_tracking_uri()
    if redacted(default) == before:
        return default
    if HIDDEN in before:
        raise StoreError(
            f"{folder.name} is shown in MLflow at {before}, whose secrets are not kept; give it again: "
            "--tracking-uri URI"
        )
    return before
