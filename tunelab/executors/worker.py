"""A worker process: `python -m tunelab.executors.worker`, orders on standard input, progress on standard output.

What a person's own code prints goes to standard error, so that it cannot be taken for progress.
"""

import os
import pickle
import sys
from typing import Any, BinaryIO

from tunelab.errors import TunelabError


def main() -> None:
    """Train until standard input ends."""
    orders, progress = _private_pipes()
    from tunelab.training.trainer import Trainer  # before the path is the person's, where a json.py may lie

    sys.path[:] = pickle.load(orders)
    try:
        trainer = Trainer(pickle.loads(pickle.load(orders)))
    except TunelabError as error:  # a device that is not here
        pickle.dump(error, progress, protocol=5)
        return
    while True:
        try:
            message: Any = pickle.load(orders)
        except EOFError:
            return
        pickle.dump(trainer.round(message), progress, protocol=5)
        progress.flush()


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
