"""A worker process: `python -m tunelab.executors.worker`, orders on standard input, progress on standard output.

What a person's own code prints goes to standard error, so that it cannot be taken for progress.
"""

import os
import pickle
import signal
import sys
from types import FrameType
from typing import Any, BinaryIO


class Leaving:
    """Whether the engine wants this process to end. A person's code may catch the exception that says so."""

    def __init__(self) -> None:
        self.due = False
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.due = True
        raise SystemExit(128 + number)  # so that what runs cleans up behind itself


def main() -> None:
    """Train until standard input ends, or this process is terminated."""
    orders, progress = _private_pipes()
    import tunelab.training.loop_trainer  # before the path is the person's, where a json.py may lie
    import tunelab.training.trainer  # noqa: F401

    leaving = Leaving()
    sys.path[:] = pickle.load(orders)
    worker = pickle.loads(pickle.load(orders)).worker()
    try:
        while not leaving.due:
            try:
                message: Any = pickle.load(orders)
            except EOFError:
                return
            pickle.dump(worker.round(message), progress, protocol=5)
            progress.flush()
    finally:
        worker.close()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return this process's standard streams under numbers of their own, and point the standard ones elsewhere."""
    orders, progress = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, progress


if __name__ == "__main__":
    main()
