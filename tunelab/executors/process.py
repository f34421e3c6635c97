"""Train in one worker process, which imports neither Optuna nor MLflow and uses one BLAS thread."""

import codecs
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

import cloudpickle

from tunelab.contracts import Executor, Work
from tunelab.errors import ExperimentError, TunelabError, WorkerError, WorkerHung
from tunelab.interpreter import command, import_path
from tunelab.training.time_limit import hung_by
from tunelab.trial import Orders, Progress

GRACE = 10.0
"""Seconds that a loop may take to clean up behind itself (its `finally`) before its process is killed."""

ASKED_AGAIN = 1.0
"""Seconds after which a worker that has not ended is asked again."""

LAST_WORDS = 1.0
"""Seconds to wait for what a worker left behind: processes that it started, and what these and it printed last."""

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def to_standard_error(text: str) -> None:
    """Write what a worker printed to standard error, which is another one while a live table is drawn."""
    with suppress(OSError, ValueError):  # a terminal that is gone
        sys.stderr.write(text)


class ProcessExecutor(Executor):
    """Trains in a process of its own, one round behind another without waiting for the caller.

    The job travels by cloudpickle, so that classes and functions of a script or a notebook travel too; orders and
    progress are plain pickles between two processes that trust each other. What it prints is written to this process's
    standard error, line by line, so that it stands above a live table and not within it.

    Args:
        job: what to train.
        tell: takes what it prints.

    Raises:
        ExperimentError: a job that cannot travel.
    """

    def __init__(self, job: Work, tell: Callable[[str], None] = to_standard_error) -> None:
        self._tell = tell
        with _in_memory(packed(job)) as given:  # in a pipe it would have to be waited for
            self._note = _in_memory()
            files = (self._note.fileno(), given.fileno())
            self._worker = subprocess.Popen(
                [*command("tunelab.executors.worker"), *map(str, files)],
                pass_fds=files,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD, **import_path()},
                process_group=0,  # a terminal's Ctrl-C is the engine's to handle
            )
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._printed = threading.Thread(target=self._pass_on, name="tunelab-printed", daemon=True)
        self._printed.start()
        threading.Thread(target=self._read, name="tunelab-progress", daemon=True).start()
        self._write(sys.path)

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round."""
        self._write(orders)

    def receive(self) -> Progress:
        """Return the progress of the oldest round not received yet.

        Raises:
            TunelabError: the worker cannot train this job.
            WorkerError: the worker is gone.
            WorkerHung: and was ended because it did not come to its next report in time.
        """
        found = self._inbox.get()
        if isinstance(found, Progress):
            return found
        self._inbox.put(found)  # for whoever asks again
        if isinstance(found, TunelabError):
            raise found
        raise WorkerError(f"the training process {self._worker.pid} answered {found!r}, which is no progress")

    def close(self) -> None:
        """End the worker; what runs in it may clean up first."""
        try:
            self._ask_to_end()
        finally:  # an impatient second Ctrl-C, too
            self._worker.kill()
            self._wait()
        self._printed.join(LAST_WORDS)
        for pipe in (self._worker.stdin, self._worker.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _write(self, message: Any) -> None:
        assert self._worker.stdin is not None
        with suppress(BrokenPipeError):  # the reader knows why, and says so at the next receive
            pickle.dump(message, self._worker.stdin, protocol=5)
            self._worker.stdin.flush()

    def _read(self) -> None:
        assert self._worker.stdout is not None
        try:
            while True:
                self._inbox.put(pickle.load(self._worker.stdout))
        except (EOFError, OSError):
            pass
        except Exception:
            self._worker.kill()  # what it sent was no progress, so no more of it is worth waiting for
        finally:
            self._inbox.put(self._why_gone())

    def _why_gone(self) -> WorkerError:
        with self._note:
            hung, process = hung_by(self._note.fileno()), f"the training process {self._worker.pid}"
        code = self._wait()
        self._printed.join(LAST_WORDS)
        if hung:
            return WorkerHung(f"{process} was ended: {hung.reason.splitlines()[0]}", hung.trials, hung.reason)
        killed = " (killed, as a system does that has run out of memory)" if code == -signal.SIGKILL else ""
        return WorkerError(f"{process} ended with code {code}{killed}; what it printed stands above")

    def _ask_to_end(self) -> None:
        """Give it the time to; ask again now and then, since Python is deaf just before a system call that waits."""
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            self._worker.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._wait(min(ASKED_AGAIN, GRACE))
                return

    def _wait(self, timeout: float | None = None) -> int:
        """Return the worker's exit code, and end what it started and left behind.

        Only just after it has ended: its number, by which they are known, may be another's later, once they are gone.
        """
        was_running = self._worker.returncode is None
        code = self._worker.wait(timeout)
        if was_running:
            _end_group(self._worker.pid)
        return code

    def _pass_on(self) -> None:
        """Pass on what the worker prints."""
        assert self._worker.stderr is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._worker.stderr as pipe:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._tell(decoder.decode(chunk))


def _end_group(number: int) -> None:
    """End the processes of a group; one that tidies up behind others, as multiprocessing has, gets a second for it."""
    with suppress(ProcessLookupError, PermissionError):  # there are none, or on macOS only such as have ended
        try:
            os.killpg(number, signal.SIGTERM)
            until = time.monotonic() + LAST_WORDS
            while time.monotonic() < until:
                time.sleep(0.01)
                os.killpg(number, 0)
        finally:
            os.killpg(number, signal.SIGKILL)


def _in_memory(held: bytes = b"") -> IO[bytes]:
    """Return a file that is gone with its processes, at its start; it is in memory where the system has that."""
    linux = sys.platform == "linux"
    file: IO[bytes] = os.fdopen(os.memfd_create("tunelab"), "w+b") if linux else tempfile.TemporaryFile()  # noqa: SIM115
    file.write(held)
    file.seek(0)
    return file


def packed(job: Work) -> bytes:
    """Return a job as it travels to another process.

    Raises:
        ExperimentError: one that cannot.
    """
    try:
        found: bytes = cloudpickle.dumps(job)
    except Exception as error:
        raise ExperimentError(
            f"what is to train cannot travel to its own process: {type(error).__name__}: {error}; "
            "make what cannot (a lock, a connection, an open file) inside the function, "
            "or train in this process: executor='inline' (--executor inline)"
        ) from error
    return found
