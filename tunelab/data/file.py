"""Rows in a file."""

import os
import zlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import BadZipFile

import numpy as np
from pydantic import BeforeValidator

from tunelab.contracts import Dataset, Table
from tunelab.data.frame import csv_frame, parquet_frame
from tunelab.data.table import Wish, features, table, target
from tunelab.errors import DataError, suggestion

if TYPE_CHECKING:
    import pandas as pd


_UNREADABLE = (ValueError, BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, AttributeError, TypeError)


def _text(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


class DataFile(Dataset):
    """Rows in a `.csv`, `.parquet` or `.npz` file: `DataFile("houses.csv", target="price")`.

    A csv has commas between its fields, UTF-8, and a first line that names its columns. An npz holds the arrays `x`
    `(rows, features)`, or `(rows, channels, height, width)`, and `y`. Every column but the target is a feature, and
    must be numeric or boolean.

    Args:
        path: the file, as given; a relative path starts where the program was started, `~` is the home folder.
        target: the column to predict; the last one unless given. An npz has none to name.
        targets: what to read the target as. `"auto"`: text, booleans and categoricals are classes, real numbers are
            values, integers are classes where they take at most 20 distinct values.

    Raises:
        DataError: on loading: a file that is missing, empty, unreadable or of another kind; a ragged line; a column
            that is missing, not numeric or not finite; one class only; no features; an npz with other arrays or with
            pickled ones, which are never read, because loading them can run any code.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "flowers.csv")
    ...     _ = path.write_text("length,width,kind\\n1.4,0.2,setosa\\n4.7,1.4,versicolor\\n")
    ...     table = DataFile(path).load()
    >>> table.x.tolist(), table.y.tolist(), table.classes
    ([[1.4, 0.2], [4.7, 1.4]], [0, 1], ('setosa', 'versicolor'))
    """

    path: Annotated[str, BeforeValidator(_text)]
    target: str | None = None
    targets: Wish = "auto"

    def __init__(self, path: str | os.PathLike[str] | None = None, **fields: Any) -> None:
        super().__init__(**fields if path is None else {"path": path, **fields})

    def load(self) -> Table:
        """Return all rows of the file."""
        path = _found(Path(self.path).expanduser().absolute(), self.path)
        match path.suffix.lower():
            case ".npz":
                return self._from_arrays(path)
            case ".csv":
                return self._from_frame(csv_frame(path, self.path), path)
            case ".parquet":
                return self._from_frame(parquet_frame(path, self.path), path)
        raise DataError(f"{self.path}: a data file ends in .csv, .parquet or .npz, was {path.name!r}")

    def _from_arrays(self, path: Path) -> Table:
        if self.target is not None:
            raise DataError(f"{self.path}: an .npz has no column {self.target!r} to name; its target is the array y")
        x, y = _npz(path, self.path)
        x, y = features(x, self.path), target(y, self.path)
        return table(x, y, self.targets, source=str(path), where=self.path)

    def _from_frame(self, frame: "pd.DataFrame", path: Path) -> Table:
        names = [str(name) for name in frame.columns]
        if not names:
            raise DataError(f"{self.path}: no columns")
        wanted = names[-1] if self.target is None else self.target
        if wanted not in names:
            raise DataError(f"{self.path}: no column {wanted!r} to be the target; {suggestion(wanted, names)}")
        if len(names) < 2:
            raise DataError(
                f"{self.path}: no feature column beside the target {wanted!r}; are the fields separated by commas?"
            )
        place = len(names) - 1 - names[::-1].index(wanted)
        name = f"the target column {wanted!r}"
        x = features(frame.iloc[:, [i for i in range(len(names)) if i != place]], self.path)
        y = target(frame.iloc[:, place], self.path, name)
        return table(x, y, self.targets, source=str(path), where=self.path, name=name)


def _found(path: Path, given: str) -> Path:
    if os.path.isdir(path):
        raise DataError(f"{given}: a folder, not a file; name the file in it")
    if not os.path.isdir(path.parent):
        raise DataError(f"{given}: no such file; there is no folder {path.parent}")
    if not os.path.exists(path):
        names = sorted(other.name for other in path.parent.iterdir() if other.is_file())
        near = get_close_matches(path.name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "none there has a similar name"
        raise DataError(f"{given}: no such file in {path.parent}; {hint}")
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise DataError(f"{given}: cannot be read: {error.strerror}") from None
    if is_empty:
        raise DataError(f"{given}: the file is empty")
    return path


def _npz(path: Path, given: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        # np.load leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in ("x", "y") if name not in arrays]
            if missing:
                raise DataError(
                    f"{given}: needs the arrays x and y, has {', '.join(sorted(arrays)) or 'none'}; "
                    "write it with np.savez(path, x=x, y=y)"
                )
            return arrays["x"], arrays["y"]
    except _UNREADABLE as error:
        if "allow_pickle" in str(error) and "Object arrays" in str(error):
            raise DataError(
                f"{given}: holds an array of Python objects, which is not read because it can run code; "
                "save numbers, or text with dtype str"
            ) from None
        raise DataError(f"{given}: not a readable .npz file; write it with np.savez(path, x=x, y=y)") from None
