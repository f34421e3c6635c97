"""The engine's hold on the process that writes to MLflow: started, watched, started again, waited for."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tunelab.credentials import redacted
from tunelab.errors import StoreError
from tunelab.interpreter import command, import_path
from tunelab.tracking.mirror_state import MirrorState, Stage

_LOG = "mlflow.log"
_REASON = re.compile(r"(?<=\] )(?:Connection|No route|Name|Temporary)[\w ]+|[Rr]ead timed out")
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

    def wait(self, tell: Callable[[int], None]) -> str | None:
        """Return None when everything is shown; else, when that does not come nearer any more, why.

        Args:
            tell: called every second with the number of trials that are shown.
        """
        try:
            return self._wait(tell)
        except KeyboardInterrupt:  # what was to be done is done; the writer goes on by itself for a while
            self.leave(0.0)
            return "it was not waited for"

    def _wait(self, tell: Callable[[int], None]) -> str | None:
        until, seen, due = time.monotonic() + _PATIENCE, self.state.read, time.monotonic() + _LOOK
        while self._process.poll() != 0:
            now = time.monotonic()
            if not self._revive():
                return self.state.error or "its process was killed again and again"
            if now > until:
                if self.state.read == seen:
                    self.stop(0.0)
                    return f"nothing came through for {_PATIENCE:.0f} s: {self._last_words}"
                until, seen = now + _PATIENCE, self.state.read
            if now > due:
                state, due = self.state, now + _LOOK
                tell(len(state.runs) - len(state.open))
            time.sleep(0.01)
        return None

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
            waiting = threading.Thread(target=self._process.wait, name="tunelab-writer", daemon=True)
            waiting.start()  # it may outlive us on purpose; if we outlive it, it is not to stay a zombie

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
            f"(more in {self._folder / _LOG}). Correct --tracking-uri or "
            "MLFLOW_TRACKING_URI; without both it is this folder's mlflow.db."
        )

    @property
    def _last_words(self) -> str:
        """What it said last; of a server that does not answer, the system's own word for that."""
        said = (self._folder / _LOG).read_text(errors="replace").strip().rpartition("\n")[2]
        reasons = _REASON.findall(said)
        return reasons[-1] if reasons else said
