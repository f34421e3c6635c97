"""Models and functions that look at the worker they are in, or spoil it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from tunelab.contracts import Layer, LayerModel
from tunelab.models import MLP


class Witness(MLP):
    """A network that fails with what it sees in its process, as JSON."""

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        from threadpoolctl import threadpool_info

        raise RuntimeError(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "parent": os.getppid(),
                    "modules": sorted(sys.modules),
                    "threads": [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"],
                    "group": os.getpgrp(),
                }
            )
        )


class Talkative(MLP):
    """A network that writes to every stream there is, and reads from standard input."""

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        print("printed")
        sys.stdout.write("written\n")
        sys.stdout.flush()
        os.write(1, b"raw bytes on 1\n")
        subprocess.run(["echo", "from a child"], check=True)
        assert sys.stdin.read() == ""
        return super().layers(inputs, outputs)


class Fatal(MLP):
    """A network that ends its process."""

    how: str

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            sys.exit(7)
        if self.how == "sleep":
            time.sleep(600)
        return super().layers(inputs, outputs)


class Unloadable:
    """What cannot be read in a worker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        raise ImportError("no module named 'only_here'")


class Carrier(LayerModel):
    """A model that carries what cannot be read."""

    cargo: Any = None

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return MLP(width=4).layers(inputs, outputs)


def slow_bowl(point: np.ndarray) -> float:
    time.sleep(0.02)
    return float(point @ point)


def forking_bowl(point: np.ndarray) -> float:
    """Leave a process behind that outlives this one, then end it."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os._exit(3)


def ending_bowl(point: np.ndarray) -> float:
    """Return how a process ends that was forked here and told to."""
    fork = multiprocessing.get_context("fork")
    ready, sender = fork.Pipe(duplex=False)

    def wait() -> None:
        sender.send(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)  # a handler could come a moment too late
        time.sleep(60)

    child = fork.Process(target=wait)
    child.start()
    as_any_other = ready.recv()
    child.terminate()
    child.join()
    return float(child.exitcode or 0) if as_any_other else 0.0
