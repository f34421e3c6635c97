"""The folder of one study: `studies/digits-3`, made once and never taken twice."""

from itertools import count
from pathlib import Path

from tunelab.errors import StoreError

CHECKPOINTS = "checkpoints"
"""The folder within a study's, in which each trial of a loop has one for its checkpoint."""

JOINED = "joined"
"""The file that names the study which an engine joined: its folder is its own, and so is the folder's name."""


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
    except OSError as error:
        raise StoreError(
            f"no study folder can be made in {root.absolute()}: {error.strerror}; "
            "run where you may write, or give another folder"
        ) from error
    raise AssertionError("count() ends never")


def folders(root: Path, experiment: str) -> list[Path]:
    """Return the folders of an experiment's studies, the newest first."""
    found = [path for path in root.glob(f"{experiment}-*") if path.name.removeprefix(f"{experiment}-").isdecimal()]
    return sorted(found, key=_number, reverse=True)


def _number(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def study_name(folder: Path) -> str:
    """Return the name by which Optuna knows the study of a folder."""
    joined = folder / JOINED
    return joined.read_text() if joined.exists() else folder.name
