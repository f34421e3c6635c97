"""The process that mirrors a study's spool into MLflow: `python -m tunelab.tracking.mlflow_writer <folder>`.

Only here is mlflow imported, so training and searching never wait for it. It follows the spool while the engine lives
(`--engine <process id>`), ends every run truthfully when the engine is gone, and may be run again on any spool at any
time: what is shown already stays as it is. The tracking URI comes in `MLFLOW_TRACKING_URI`, out of sight of `ps`.
"""

import gc
import logging
import os
import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tunelab.credentials import concealed, redacted
from tunelab.tracking.log_stream import LogStream
from tunelab.tracking.mirror_state import MirrorState, Stage
from tunelab.tracking.process_lock import process_lock
from tunelab.tracking.spool import SPOOL, Line, SpoolReader, StudyBegan, TrialStarted, starts_line
from tunelab.tracking.tracking_uri import is_server, split_credentials, sqlite_file

if TYPE_CHECKING:
    from tunelab.tracking.mlflow_mirror import StudyMirror

_POLL = 0.05  # seconds between looks at the spool
_NOTE = 1.0  # seconds between notes of progress: how much is looked up again after a kill
_HEAD_START = 1.5  # seconds that a first trial may have the processors to itself before mlflow is imported
_NICENESS = 5  # training goes first

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # we try again ourselves, and see in between what came of it
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # in a log
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # saves a request a trial
}
"""What MLflow reads from the environment, where the person has not set it."""


class Writer:
    """Follows one study's spool.

    Args:
        folder: the study's folder.
        uri: the tracking URI.
        engine: the process that writes the spool, our parent; None when an old spool is mirrored.
        thorough: compare all that MLflow shows with the spool, also where everything was mirrored.
    """

    def __init__(self, folder: Path, uri: str, engine: int | None, *, thorough: bool = False) -> None:
        self._folder = folder
        self._uri = uri
        self._engine = engine
        self._thorough = thorough
        self._spool = folder / SPOOL
        self._state = MirrorState.load(folder)
        self._saved = 0.0

    def run(self) -> bool:
        """Mirror until the study has ended, or its engine; return whether all of it is shown."""
        began = self._began()
        if began is None:
            self._state.stage, self._state.error = Stage.BROKEN, f"{self._spool} is damaged where it begins"
            self._state.save(self._folder)
            return False
        self._state = state = self._state.of(began.at, redacted(self._uri))
        if not starts_line(self._spool, state.read):  # what was noted is newer than the spool
            state.read = state.keep = 0
        ended = state.stage in (Stage.FINISHED, Stage.CLOSED)
        if ended and state.read == self._spool.stat().st_size and not self._thorough:
            return True
        state.stage, state.writer, state.error, state.mended = Stage.STARTING, os.getpid(), None, {}
        state.save(self._folder)
        try:
            self._mirror(began)
        except Exception as error:
            logging.exception("the mirror is incomplete")
            state.stage, state.error = Stage.BROKEN, concealed(str(error), self._uri)
        state.save(self._folder)
        return state.stage is not Stage.BROKEN

    def _mirror(self, began: StudyBegan) -> None:
        """Mirror the spool; then once more what is in doubt."""
        reader = SpoolReader(self._spool, self._state.keep)
        lines = self._head_start(reader)
        mirror = self._opened(began)
        if mirror.in_doubt:
            reader, lines = self._reconciled(mirror), []
        self._follow(mirror, reader, lines)
        if mirror.in_doubt:
            reader = self._reconciled(mirror)
            self._follow(mirror, reader, [])
        if reader.damaged:
            self._state.notes.append(
                f"{reader.damaged} lines of {self._spool} are damaged; MLflow lacks what they said"
            )

    def _reconciled(self, mirror: "StudyMirror") -> SpoolReader:
        """Compare MLflow with the spool; return where it is to be read from."""
        mirror.reconcile(self._spool, thorough=self._thorough)
        return SpoolReader(self._spool, self._state.keep)

    def _follow(self, mirror: "StudyMirror", reader: SpoolReader, lines: list[Line]) -> None:
        """Mirror what there is and what comes, until the study has ended, or its engine."""
        while True:
            attended = self._attended  # asked before reading: what a killed engine wrote last is then read
            for line in lines:
                if self._is_anothers(line):
                    mirror.abandon("the engine process ended")
                    return
                mirror.take(line)
                self._note()
            mirror.upload_long()
            self._note()
            lines = reader.read()
            if not lines:
                if self._state.stage in (Stage.FINISHED, Stage.CLOSED):
                    return
                if not attended:
                    mirror.abandon("the engine process ended")
                    return
                time.sleep(_POLL)

    def _head_start(self, reader: SpoolReader) -> list[Line]:
        """Return the first lines, a moment later: importing mlflow would slow the imports of the first trial."""
        lines = reader.read()
        until = time.monotonic() + (_HEAD_START if sqlite_file(self._uri) else 0.0)
        while self._attended and time.monotonic() < until:
            if any(not isinstance(line.event, StudyBegan | TrialStarted) for line in lines):
                break
            time.sleep(_POLL)
            lines += reader.read()
        return lines

    def _opened(self, began: StudyBegan) -> "StudyMirror":
        """Import mlflow, open the store and the study's run in it."""
        from tunelab.tracking.mlflow_mirror import StudyMirror
        from tunelab.tracking.mlflow_patience import Patience

        patience = Patience(server=is_server(self._uri), unattended=lambda: not self._attended)
        mirror = StudyMirror(self._uri, patience, self._state, began)
        self._state.stage = Stage.READY
        self._state.save(self._folder)
        gc.freeze()  # two thousand modules that no collection need look at again
        return mirror

    def _began(self) -> StudyBegan | None:
        began = next((line.event for line in SpoolReader(self._spool).read()), None)
        return began if isinstance(began, StudyBegan) else None

    def _is_anothers(self, line: Line) -> bool:
        """Return whether another engine goes on with the study here, whose writer waits until this one has left."""
        goes_on = isinstance(line.event, StudyBegan) and line.start > 0
        return goes_on and self._engine is not None and not self._attended

    @property
    def _attended(self) -> bool:
        """Whether the engine lives: a killed parent's children are given to another process."""
        return self._engine is not None and os.getppid() == self._engine

    def _note(self) -> None:
        now = time.monotonic()
        if now - self._saved > _NOTE:
            with suppress(OSError):  # a full disk: what was noted before is enough to go on from
                self._state.save(self._folder)
            self._saved = now


def main() -> None:
    """Mirror the study in the folder that the command line names."""
    parser = ArgumentParser(prog="python -m tunelab.tracking.mlflow_writer", description=__doc__)
    parser.add_argument("folder", type=Path, help="the study's folder")
    parser.add_argument("--engine", type=int, help="the process that writes the spool, our parent")
    parser.add_argument("--thorough", action="store_true", help="compare all that MLflow shows with the spool")
    given = parser.parse_args()
    told = os.environ["MLFLOW_TRACKING_URI"]
    sys.stdout, sys.stderr = LogStream(sys.stdout, told), LogStream(sys.stderr, told)
    uri, credentials = split_credentials(told)
    os.environ.update({**_SETTINGS, **os.environ, **credentials, "MLFLOW_TRACKING_URI": uri})
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(_NICENESS)
    with process_lock(given.folder / "mirror.lock"):
        complete = Writer(given.folder, uri, given.engine, thorough=given.thorough).run()
    sys.stderr.flush()
    os._exit(0 if complete else 1)  # taking mlflow's modules down takes 0.2 s, and the engine waits


if __name__ == "__main__":
    main()
