"""The folder of one study: `studies/digits-3`, made once and never taken twice."""

from itertools import count
from pathlib import Path

from tunelab.errors import StoreError


def new_folder(root: Path, experiment: str) -> Path:
    """Make and return the next free folder of an experiment; its name is the study's.

    Raises:
        StoreError: a place where no folder can be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [path.name.removeprefix(f"{experiment}-") for path in root.glob(f"{experiment}-*")]
        first = max((int(number) for number in taken if number.isdecimal()), default=0) + 1
        for number in count(first):
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
