"""Train in one worker process, which imports neither Optuna nor MLflow and uses one BLAS thread."""

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import cloudpickle

from tunelab.contracts import Executor
from tunelab.errors import TunelabError, WorkerError
from tunelab.interpreter import command, import_path
from tunelab.training.trainer import Job
from tunelab.trial import Orders, Progress

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ProcessExecutor(Executor):
    """Trains in a process of its own, one round behind another without waiting for the caller.

    The job travels by cloudpickle, so that classes and functions of a script or a notebook travel too; orders and
    progress are plain pickles between two processes that trust each other.

    Args:
        job: what to train.
    """

    def __init__(self, job: Job) -> None:
        self._worker = subprocess.Popen(
            command("tunelab.executors.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD, **import_path()},
            process_group=0,  # a terminal's Ctrl-C is the engine's to handle
        )
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._read, name="tunelab-progress", daemon=True).start()
        self._write(sys.path)
        self._write(cloudpickle.dumps(job))

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round."""
        self._write(orders)

    def receive(self) -> Progress:
        """Return the progress of the oldest round not received yet.

        Raises:
            TunelabError: the worker cannot train this job.
            WorkerError: the worker is gone.
        """
        found = self._inbox.get()
        if isinstance(found, Progress):
            return found
        self._inbox.put(found)  # for whoever asks again
        if isinstance(found, TunelabError):
            raise found
        raise WorkerError(f"the training process {self._worker.pid} {found}")

    def close(self) -> None:
        """End the worker."""
        self._worker.terminate()
        self._worker.wait()
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
            self._inbox.put(f"ended with code {self._worker.wait()}; what it printed stands above")
