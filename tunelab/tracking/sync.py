"""Mirror what a study's spool holds and MLflow does not show yet."""

import os
import subprocess
from pathlib import Path

from tunelab.interpreter import command, import_path
from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.spool import SPOOL
from tunelab.tracking.tracking_uri import resolve_tracking_uri


def unsent(studies: Path) -> list[Path]:
    """Return the folders of the studies whose mirror is not complete, by name."""
    return sorted(spool.parent for spool in studies.glob(f"*/{SPOOL}") if not _is_shown(spool.parent))


def sync(folder: Path, tracking_uri: str | None) -> bool:
    """Mirror one study; return whether MLflow shows all of it now. What it says goes to the study's `mlflow.log`.

    A study that still runs is left to its own writer: this waits until that one has ended.
    """
    environment = {**os.environ, **import_path(), "MLFLOW_TRACKING_URI": resolve_tracking_uri(tracking_uri)}
    with (folder / "mlflow.log").open("ab") as log:
        done = subprocess.run(
            [*command("tunelab.tracking.mlflow_writer"), str(folder)],
            env=environment,
            stdout=log,
            stderr=log,
            check=False,
        )
    return done.returncode == 0


def _is_shown(folder: Path) -> bool:
    state = MirrorState.load(folder)
    return state.stage in (Stage.FINISHED, Stage.CLOSED) and state.read == (folder / SPOOL).stat().st_size
