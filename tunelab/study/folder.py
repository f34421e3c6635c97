"""The folder of one study: `studies/digits-3`, made once and never taken twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES
from itertools import count
from pathlib import Path
from typing import BinaryIO

from tunelab.errors import StoreError

CHECKPOINTS = "checkpoints"
"""The folder within a study's, in which each trial that trains has one for its checkpoint."""


def new_folder(root: Path, experiment: str) -> Path:
    """Make and return the next free folder of an experiment; its name is the study's.

    Raises:
        StoreError: a place where no folder can be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = folders(root, experiment)
        for number in count(_number(taken[0]) + 1 if taken else 1):
            folder = root / f"{experiment}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except (OSError, ValueError) as error:  # a name with a null in it is no system's affair
        raise StoreError(
            f"no study folder can be made in {root.absolute()}: {getattr(error, 'strerror', error)}; "
            "run where you may write, or give another folder"
        ) from error
    raise AssertionError("count() ends never")


def folders(root: Path, experiment: str) -> list[Path]:
    """Return the folders of an experiment's studies, the newest first."""
    found = [path for path in root.glob(f"{experiment}-*") if path.name.removeprefix(f"{experiment}-").isdecimal()]
    return sorted(found, key=_number, reverse=True)


def _number(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Let no other process work on the study of this folder meanwhile; the kernel lets go of what a dead one held.

    Raises:
        StoreError: another process does, or nothing may be written there.
    """
    with _opened(folder / "study.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{folder.name} is running; wait until it has ended, or stop it") from None
        yield


def _opened(lock: Path) -> BinaryIO:
    try:
        if not os.access(lock.parent, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        return lock.open("ab")
    except OSError as error:
        raise StoreError(
            f"nothing can be written in {lock.parent}: {error.strerror}; go on as who ran the study"
        ) from None
