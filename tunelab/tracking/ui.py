"""Opens MLflow on a study's comparison: `tunelab ui`. Starts MLflow's own server; imports none of it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tunelab.credentials import redacted
from tunelab.errors import InputError, StoreError
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.saved_view import comparison_path
from tunelab.tracking.spool import SPOOL
from tunelab.tracking.tracking_uri import is_server, sqlite_file

HOST = "127.0.0.1"

_REFUSED_PORTS = (5060, 5061)  # SIP's: browsers do not open them
_START = 90.0  # seconds; on a busy machine MLflow's server needs tens of them


def serve(tracking_uri: str, port: int = 5000) -> "subprocess.Popen[bytes]":
    """Start an MLflow server of a store on this machine only; return its process once it answers.

    Raises InputError for a port that browsers refuse, StoreError when the server ends or does not answer. Who calls it
    stops it: `terminate()`, then `wait()`.
    """
    if port in _REFUSED_PORTS:
        raise InputError(f"A port that browsers open is required, not {port} (reserved for SIP). Use 5000, say.")
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=_folder(tracking_uri),
        env={
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": tracking_uri,  # a password in it stays out of sight of `ps`
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes and 2 GB less
        },
    )
    try:
        _await(server, port, tracking_uri)
    except BaseException:
        server.kill()
        server.wait()
        raise
    return server


def _await(server: "subprocess.Popen[bytes]", port: int, tracking_uri: str) -> None:
    until = time.monotonic() + _START
    while not _answers(port):
        if server.poll() is not None or time.monotonic() > until:
            raise StoreError(
                f"An MLflow server was to start on {HOST}:{port} for {redacted(tracking_uri)}, and did not. "
                f"Is the port free? Try: MLFLOW_BACKEND_STORE_URI=... mlflow server --port {port}"
            )
        time.sleep(0.1)


def last_shown(studies: Path, tracking_uri: str | None = None) -> Path | None:
    """Return the folder of the study that ran last, of those that MLflow shows; None where there is none.

    Args:
        studies: the folder that holds the studies' folders.
        tracking_uri: only of those in this MLflow.
    """
    wanted = redacted(tracking_uri) if tracking_uri else None
    last_first = sorted(studies.glob(f"*/{SPOOL}"), key=lambda spool: spool.stat().st_mtime_ns, reverse=True)
    for spool in last_first:  # which a run alone writes; a later `sync` changes the notes beside it
        state = MirrorState.load(spool.parent)
        if state.experiment_id and state.run_id and wanted in (None, state.tracking_uri):
            return spool.parent
    return None


def comparison(study: Path) -> str:
    """Return the link path of the comparison of a study that MLflow shows, given its folder."""
    state = MirrorState.load(study)
    return comparison_path(state.experiment_id or "", state.run_id or "")


def address(tracking_uri: str, port: int) -> str:
    """Return where the pages of a store are: at its own server, or at one that `serve` started."""
    return redacted(tracking_uri).rstrip("/") if is_server(tracking_uri) else f"http://{HOST}:{port}"


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{HOST}:{port}/health", timeout=1) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _folder(tracking_uri: str) -> Path | None:
    """Return the store's own folder, so that what a server keeps beside it lies there."""
    file = sqlite_file(tracking_uri)
    return file.parent if file else None
