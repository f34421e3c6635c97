"""Files as pandas frames. pandas is imported when the first one is read: it takes longer than everything else here."""

import csv
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunelab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def parquet_frame(path: Path, where: str) -> "pd.DataFrame":
    """Return a parquet file's columns.

    Args:
        path: the file.
        where: what the error message begins with.

    Raises:
        DataError: pandas is not installed, or the file is not parquet.
    """
    pandas = _pandas(where)
    try:
        return pandas.read_parquet(path)  # type: ignore[no-any-return]
    except Exception as error:
        raise DataError(f"{where}: cannot be read as parquet: {str(error).splitlines()[0]}") from None


def csv_frame(path: Path, where: str) -> "pd.DataFrame":
    """Return a csv's columns; its first line names them, and every line has as many fields.

    Args:
        path: the file, UTF-8.
        where: what the error message begins with.

    Raises:
        DataError: pandas is not installed, or a file that is not UTF-8, has no header, or a ragged or unclosed line.
    """
    pandas = _pandas(where)
    # Whole columns, because chunks guess types. Before 3.1 the default parser is off in the last bit.
    is_exact = tuple(map(int, pandas.__version__.split(".")[:2])) >= (3, 1)
    try:
        # pandas takes a surplus field in the first row for an index, without a word,
        _require_even_lines(path, where, most=1)
        frame = pandas.read_csv(path, low_memory=False, float_precision=None if is_exact else "round_trip")
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8 text; save it as UTF-8") from None
    except pandas.errors.EmptyDataError:
        raise DataError(f"{where}: the file is empty") from None
    except pandas.errors.ParserError as error:
        _require_even_lines(path, where)
        raise DataError(f"{where}: cannot be read as csv: {str(error).splitlines()[0]}") from None
    # and fills a short line with NaN.
    if frame.isna().to_numpy().any():
        _require_even_lines(path, where)
    _require_names([str(name) for name in frame.columns], where)
    return frame  # type: ignore[no-any-return]


def _pandas(where: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise DataError(f"{where}: reading it needs pandas, which is not installed; pip install pandas") from None
    return pandas


def _require_even_lines(path: Path, where: str, most: int | None = None) -> None:
    with path.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.reader(text)
        filled = ((reader.line_num, len(fields)) for fields in reader if fields)
        _, width = next(filled, (0, 0))
        for line, fields in islice(filled, most):
            if fields != width:
                raise DataError(f"{where}: line {line} must have {width} fields like the first line, has {fields}")


def _require_names(names: list[str], where: str) -> None:
    unnamed = next((i for i, name in enumerate(names) if name == f"Unnamed: {i}"), None)
    if unnamed is not None:
        raise DataError(
            f"{where}: column {unnamed} (counted from 0) has no name; name it, or if it is a row number written by "
            "pandas, write the file with index=False"
        )
    numbered = [str(i) for i in range(len(names))]
    if names != numbered and all(map(_is_number, names)):
        raise DataError(f"{where}: the first line must name the columns, but begins with {', '.join(names[:3])}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
