"""The engine's hold on the process that writes to MLflow: started, watched, started again, waited for."""

import os
import subprocess
import time
from pathlib import Path

from tunelab.credentials import redacted
from tunelab.errors import StoreError, TrackingError
from tunelab.interpreter import command, import_path
from tunelab.tracking.mirror_state import MirrorState, Stage

_LOG = "mlflow.log"
_LOOK = 1.0  # seconds between looks whether it lives
_MOST_STARTS = 6
_ANSWER = 15.0  # seconds within which a store must open before a study trains
_PATIENCE = 60.0  # seconds without progress after which the end of a study stops waiting


class WriterProcess:
    """One study's writer. It has its own session: a terminal's Ctrl-C stops the engine, not a half-written run.

    Args:
        folder: the study's folder, which holds the spool.
        uri: the tracking URI, passed in the environment, which other users cannot read.
    """

    def __init__(self, folder: Path, uri: str) -> None:
        self._folder = folder
        self._uri = uri
        self._starts = 0
        self._looked = time.monotonic()
        self._process = self._start()

    def watch(self) -> None:
        """Start it again if it was killed; costs nothing when asked more often than every second."""
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            self._revive()

    def wait_ready(self) -> None:
        """Return when the store is open; raise StoreError when it is not within 15 s."""
        until = time.monotonic() + _ANSWER
        while time.monotonic() < until:
            state = self.state
            if state.stage is not Stage.STARTING:
                if state.error is None:
                    return
                raise self._closed_store(state.error)
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise self._closed_store(self._last_words or f"it did not answer within {_ANSWER:.0f} s")

    def wait(self) -> MirrorState:
        """Return when everything is shown; raise TrackingError when that does not come nearer any more."""
        until, seen = time.monotonic() + _PATIENCE, self.state.read
        while self._process.poll() != 0:
            if not self._revive():
                raise self._incomplete(self.state.error or "its process was killed again and again")
            if time.monotonic() > until:
                if self.state.read == seen:
                    self.stop(0.0)
                    raise self._incomplete(f"nothing came through for {_PATIENCE:.0f} s: {self._last_words}")
                until, seen = time.monotonic() + _PATIENCE, self.state.read
            time.sleep(0.01)
        return self.state

    def stop(self, seconds: float) -> None:
        """Give it so many seconds to end by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()

    def leave(self, seconds: float) -> None:
        """Wait so many seconds at most, then let it end by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.returncode = 0  # it outlives us on purpose: no warning that it still runs

    @property
    def state(self) -> MirrorState:
        """How far it has come; a fresh state until this very process has said so."""
        state = MirrorState.load(self._folder)
        return state if state.writer == self._process.pid else MirrorState()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._starts += 1
        with (self._folder / _LOG).open("ab") as log:
            return subprocess.Popen(
                [*command("tunelab.tracking.mlflow_writer"), str(self._folder), "--engine", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "MLFLOW_TRACKING_URI": self._uri, **import_path()},
                start_new_session=True,
            )

    def _revive(self) -> bool:
        """Return whether it works, if need be again."""
        if self._process.poll() in (None, 0):
            return True
        if self.state.error or self._starts == _MOST_STARTS:
            return False
        self._process = self._start()
        return True

    def _closed_store(self, reason: str) -> StoreError:
        self.stop(0.0)
        return StoreError(
            f"An MLflow store that opens is required at {redacted(self._uri)}: {reason} "
            f"(more in {self._folder / _LOG}). Correct MLFLOW_TRACKING_URI, or unset it to use this folder's mlflow.db."
        )

    def _incomplete(self, reason: str) -> TrackingError:
        state = MirrorState.load(self._folder)
        unsent = (self._folder / "spool.jsonl").stat().st_size - state.read
        return TrackingError(
            f"MLflow at {redacted(self._uri)} does not show all of the study: {reason}. {unsent} bytes of events wait "
            f"in {self._folder / 'spool.jsonl'}; nothing is lost. When MLflow answers again, run: tunelab sync"
        )

    @property
    def _last_words(self) -> str:
        text = (self._folder / _LOG).read_text(errors="replace").strip()
        return text.rpartition("\n")[2]
