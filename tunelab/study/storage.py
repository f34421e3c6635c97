"""Where Optuna keeps a study: a journal file in the study's own folder, or any Optuna URL."""

import os
import re
import secrets
import socket
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage

from tunelab.credentials import concealed, masked
from tunelab.errors import StoreError
from tunelab.study.journal import OneWriterJournal
from tunelab.study.shared_storage import SharedStorage

JOURNAL = "optuna.journal"


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Return the storage of a URL, or the journal in the folder.

    Raises:
        StoreError: a storage that cannot be opened; credentials are not repeated.
    """
    return OneWriterJournal(folder / JOURNAL) if url is None else open_shared(url, is_owner=True)


def open_shared(url: str, *, is_owner: bool) -> SharedStorage:
    """Return the storage of a URL, for the engine that makes a study in it, or for another.

    Raises:
        StoreError: a storage that cannot be opened; credentials are not repeated.
    """
    try:
        _check_password(url)
        return SharedStorage(url, shown=masked(url), engine=_engine_name(), is_owner=is_owner)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = concealed((str(cause) or type(cause).__name__).splitlines()[0], url)
        driver = "; pip install 'tunelab[postgresql]'" if isinstance(error, ImportError) and "postgresql" in url else ""
        raise StoreError(
            f"the storage {masked(url)} cannot be opened: {reason}{driver}; "
            "give an Optuna URL such as sqlite:///studies.db or postgresql+psycopg://user@host/name"
        ) from error


def _check_password(url: str) -> None:
    if re.search("://[^:/@]*:.*@.*@", url):  # half of it would be taken for the host, and shown in messages
        raise ValueError("an '@' in a password must be written as %40")


def _engine_name() -> str:
    """Return a name that no other engine has: the host's, the process's, and some chance (containers are alike)."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
