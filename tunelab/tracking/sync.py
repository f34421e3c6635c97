"""Mirror what a study's spool holds and MLflow does not show yet."""

import os
import subprocess
from pathlib import Path

from tunelab.errors import StoreError, suggestion
from tunelab.interpreter import command, import_path
from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.spool import SPOOL
from tunelab.tracking.study_uri import study_uri


def unsent(studies: Path) -> list[Path]:
    """Return the folders of the studies whose mirror is not complete, by name."""
    spools = [spool for spool in studies.glob(f"*/{SPOOL}") if spool.stat().st_size]
    return sorted(spool.parent for spool in spools if not _is_shown(spool.parent))


def home_of(study: str, folder: Path) -> Path:
    """Return the folder of a study that was named, or given by its folder.

    Raises:
        StoreError: one that MLflow was never to show.
    """
    home = Path(study) if len(Path(study).parts) > 1 else folder / study
    if not os.path.isfile(home / SPOOL):  # which never raises, whatever a person takes for a folder
        known = [spool.parent.name for spool in home.parent.glob(f"*/{SPOOL}")]
        raise StoreError(
            f"{home} is no study that MLflow was to show: it has no {SPOOL}; in {home.parent}: "
            f"{suggestion(home.name, known)}"
        )
    return home


def sync(folder: Path, tracking_uri: str | None, *, thorough: bool = False) -> str | None:
    """Mirror one study; return None if MLflow shows all of it now, else why not. What is said goes to its `mlflow.log`.

    A study that still runs is left to its own writer: this waits until that one has ended.

    Args:
        folder: the study's.
        tracking_uri: MLflow's, as a tracker takes it; by default where the study is shown already.
        thorough: compare all that MLflow shows of it, also where everything was sent.
    """
    environment = {**os.environ, **import_path(), "MLFLOW_TRACKING_URI": study_uri(folder, tracking_uri)}
    with (folder / "mlflow.log").open("ab") as log:
        done = subprocess.run(
            [*command("tunelab.tracking.mlflow_writer"), str(folder), *(["--thorough"] if thorough else [])],
            env=environment,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        return f"{MirrorState.load(folder).error or 'its process ended'} (more in {folder / 'mlflow.log'})"
    return "; ".join(f"refused: {what}" for what in MirrorState.load(folder).refused) or None


def _is_shown(folder: Path) -> bool:
    state = MirrorState.load(folder)
    return state.stage in (Stage.FINISHED, Stage.CLOSED) and state.read == (folder / SPOOL).stat().st_size
