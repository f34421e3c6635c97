"""A worker process (`python -m tunelab.executors.worker NOTE JOB`): orders on standard input, progress on the output.

Its arguments are descriptors of two files: who trains (`tunelab.training.time_limit`), and what is to be trained. What
a person's own code prints goes to standard error, so that it cannot be taken for progress.
"""

import os
import pickle
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import Any, BinaryIO

from tunelab.errors import TunelabError


class Leaving:
    """Whether the engine wants this process to end: what runs is interrupted, so that it cleans up behind itself.

    A person's code may catch the `KeyboardInterrupt`, as some frameworks do; it is remembered. It comes once, however
    often the engine says so. What a person's code forks ends as any process does.
    """

    def __init__(self) -> None:
        self.due = False
        signal.signal(signal.SIGTERM, self._take)
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self.due:
            self.due = True
            raise KeyboardInterrupt


def main() -> None:
    """Train until standard input ends, or this process is terminated."""
    job, note = int(sys.argv.pop()), int(sys.argv.pop())
    os.set_inheritable(note, False)
    orders, progress = _private_pipes()
    import tunelab.training.loop_trainer  # before the path is the person's, where a json.py may lie
    import tunelab.training.trainer  # noqa: F401

    leaving = Leaving()
    try:
        sys.path[:] = pickle.load(orders)
        with os.fdopen(job, "rb") as file:
            held = file.read()
        _train(held, note, orders, progress, leaving)
    except EOFError:  # the engine is gone
        pass
    except TunelabError as error:  # a device that is not here
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it leaves by itself, once this is said
        pickle.dump(error, progress, protocol=5)
        progress.flush()
    except KeyboardInterrupt:
        if not leaving.due:
            raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # taking a framework's modules down takes half a second, and the engine waits


def _train(job: bytes, note: int, orders: BinaryIO, progress: BinaryIO, leaving: Leaving) -> None:
    """Answer orders until there are no more, or this process is to end."""
    from tunelab.training.memory_limit import hold_to

    worker = pickle.loads(job).worker(note)
    if worker.limits.memory is not None:
        hold_to(worker.limits.memory)
    try:
        while not leaving.due:
            message: Any = pickle.load(orders)
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

    def let_go() -> None:  # the engine sees the end of this process by these, and what a person forks may outlive it
        for pipe in (orders, progress):
            os.dup2(0, pipe.fileno(), inheritable=False)

    os.register_at_fork(after_in_child=let_go)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a line that is printed is seen at once
    return orders, progress


if __name__ == "__main__":
    main()
