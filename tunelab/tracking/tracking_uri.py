"""Where MLflow keeps its runs: the URI that is asked for, in full, and without its secrets."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tunelab.credentials import redacted
from tunelab.errors import StoreError

_SQLITE = "sqlite:///"


def resolve_tracking_uri(given: str | None = None) -> str:
    """Return the tracking URI in full: `given`, else `MLFLOW_TRACKING_URI`, else this folder's `mlflow.db`.

    That last is what a plain `mlflow ui` in this folder opens. Raises StoreError for a place that
    MLflow cannot write runs to, and for a password that is not spelt as a URL's must be.
    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    if "://" not in uri and uri != "databricks":
        shown = redacted(uri)
        raise StoreError(
            f"The tracking URI must be sqlite:///<file>, http(s)://<server> or another database's URI, not {shown!r}: "
            "MLflow no longer keeps runs in plain folders. "
            f"Give {_instead(shown)}, say."
        )
    scheme, colon, rest = uri.partition(":")
    uri = scheme.lower() + colon + rest
    _require_readable(uri)
    return _absolute_sqlite(uri) if uri.startswith("sqlite:") else uri


def _instead(shown: str) -> str:
    """Return what a person may have meant: a server without its scheme, or a folder."""
    is_host = re.fullmatch(r"[\w.-]+:\d+/?", shown)
    return f"http://{shown}" if is_host else f"{_SQLITE}{shown.removeprefix('file:')}/mlflow.db"


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a SQLite URI, None for other URIs.

    >>> sqlite_file("sqlite:////data/mlflow.db")
    PosixPath('/data/mlflow.db')
    """
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def is_server(uri: str) -> bool:
    """Whether the URI names an MLflow server."""
    return uri.startswith(("http://", "https://"))


def split_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """Take user and password out of a server's URI; return it and the variables by which MLflow reads them instead.

    >>> split_credentials("http://ada:se%20cret@host:5000")
    ('http://host:5000', {'MLFLOW_TRACKING_USERNAME': 'ada', 'MLFLOW_TRACKING_PASSWORD': 'se cret'})
    """
    parts = urlsplit(uri)
    if not is_server(uri) or parts.username is None:
        return uri, {}
    host = parts.netloc.rpartition("@")[2]
    user, password = unquote(parts.username), unquote(parts.password or "")
    bare = urlunsplit((parts.scheme, host, *parts[2:]))
    return bare, {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


def _require_readable(uri: str) -> None:
    """Raise StoreError where a part of the password would be taken for the host: it would be looked up and logged."""
    if not _is_readable(uri):
        raise StoreError(
            f"The tracking URI {redacted(uri)} cannot be read as a URL. In a password, write @ as %40, / as %2F, # as "
            "%23, ? as %3F and % as %25; or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def _is_readable(uri: str) -> bool:
    if uri.startswith("sqlite:"):
        return True
    if not is_server(uri):
        return uri.partition("?")[0].count("@") <= 1
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises what is no number
    except ValueError:
        return False
    return parts.netloc.count("@") <= 1 and "@" not in uri.partition(parts.netloc)[2]


def _absolute_sqlite(uri: str) -> str:
    place, _, options = uri.removeprefix(_SQLITE).partition("?")
    if not uri.startswith(_SQLITE) or not place or place == ":memory:":
        raise StoreError(f"A SQLite tracking URI must name a file, as sqlite:///mlflow.db does, not {uri!r}.")
    return f"{_SQLITE}{Path(place).absolute()}{'?' if options else ''}{options}"
