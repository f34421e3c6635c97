"""Where Optuna keeps a study: a journal file in the study's own folder, or any Optuna URL."""

import re
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from tunelab.errors import StoreError
from tunelab.study.journal import OneWriterJournal

JOURNAL = "optuna.journal"


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Return the storage of a URL, or the journal in the folder.

    Raises:
        StoreError: a storage that cannot be opened; credentials are not repeated.
    """
    if url is None:
        return OneWriterJournal(folder / JOURNAL)
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].replace(url, masked(url))
        raise StoreError(
            f"the storage {masked(url)} cannot be opened: {reason}; "
            "give an Optuna URL such as sqlite:///studies.db or postgresql://user@host/name"
        ) from error


def masked(url: str) -> str:
    """Return a URL without its password.

    >>> masked("postgresql://ann:secret@host/studies")
    'postgresql://ann:***@host/studies'
    """
    return re.sub(r"(://[^:/@]*):.*@|((?:password|passwd|pwd)=)[^&]*", _stars, url)


def _stars(found: "re.Match[str]") -> str:
    return f"{found[1]}:***@" if found[1] is not None else f"{found[2]}***"
