"""What of a URL may be shown, logged and written down: no password, no token, in whatever spelling.

Only what is known to be harmless is shown: the scheme, the host and its port, the path, and a database's user. What
stands behind a `?` is hidden whole, and so is all of a URL that cannot be read for certain.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

_SHORTEST = 3  # letters of a secret that is looked for in a text: the place of a shorter one would tell it

_SCHEME = r"[a-z][\w+.-]*:/{1,2}"
_HOST = r"(?:\[[^\]@]*\]|[^:/?#@=]*)"
_PLACE = rf"{_HOST}(?::\d{{0,5}})?(?:[/#][^?@]*)?"
_FORMS = [
    re.compile(form, re.IGNORECASE | re.DOTALL)
    for form in (
        r"(sqlite(?:\+\w+)?://(?=/)|file:|(?=[/.]))()([^?]*)(.*)",  # a file, whose path may hold anything
        rf"({_SCHEME})([^?]*@)({_PLACE})((?:\?[^@]*)?)",  # a password holds @, / and # as they are
        rf"((?:{_SCHEME})?+)()({_PLACE})((?:\?.*)?)",
    )
]
"""What a URL is made of: scheme, credentials with their @, place, query. The first that fits."""

_DATABASE = re.compile(r"(?:postgresql|mysql|mariadb|oracle|mssql)\b.*", re.IGNORECASE)
_USER = re.compile(r"([\w.%+-]+)(?::(.*))?@", re.DOTALL)

_ANY_URL = re.compile(r"[A-Za-z][\w+.-]*://(?:(?:(?!://).)*@)?[^\s'\"<>]*")
"""A URL in a text; up to the line's last `@` it may be a password, in which anything stands."""


class _Parts(NamedTuple):
    scheme: str
    credentials: str
    place: str
    query: str
    unreadable: str = ""


def redacted(url: str) -> str:
    """Return a URL without user, password and other secrets.

    >>> redacted("https://ada:secret@host:5000/mlflow")
    'https://host:5000/mlflow'
    >>> redacted("https://host/mlflow?token=secret")
    'https://host/mlflow?***'
    """
    return _shown(_parts(url), "")


def masked(url: str) -> str:
    """Return a URL without its password and other secrets; a database's user is shown, whom it may need.

    >>> masked("postgresql://ann:secret@host/studies")
    'postgresql://ann:***@host/studies'
    >>> masked("https://token@host")
    'https://***@host'
    """
    parts = _parts(url)
    user = _user(parts)
    if user is None:
        return _shown(parts, parts.credentials and f"{HIDDEN}@")
    return _shown(parts, f"{user[1]}@" if user[2] is None else f"{user[1]}:{HIDDEN}@")


def concealed(text: str, url: str) -> str:
    """Return a text, an error's for example, without the secrets of this URL, whole or in parts.

    >>> concealed("no host 'ret@host' for ann:sec/ret", "mysql://ann:sec/ret@host/x")
    "no host '***@host' for ann:***"
    """
    text = text.replace(url, redacted(url))
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def concealed_urls(text: str) -> str:
    """Return a text without the secrets of the URLs in it.

    >>> concealed_urls("cannot open 'mysql://ann:secret@host/x'")
    "cannot open 'mysql://ann:***@host/x'"
    """
    return _ANY_URL.sub(lambda found: masked(found[0]), text)


def _parts(url: str) -> _Parts:
    for form in _FORMS:
        if found := form.fullmatch(url):
            return _Parts(*found.groups())
    scheme = match[0] if (match := re.match(_SCHEME, url, re.IGNORECASE)) else ""
    return _Parts(scheme, "", "", "", url.removeprefix(scheme))


def _user(parts: _Parts) -> re.Match[str] | None:
    """Return a database's user and password (None without any)."""
    return _USER.fullmatch(parts.credentials) if _DATABASE.match(parts.scheme) else None


def _shown(parts: _Parts, credentials: str) -> str:
    hidden = HIDDEN if parts.unreadable else parts.query and f"?{HIDDEN}"
    return f"{parts.scheme}{credentials}{parts.place}{hidden}"


def _secrets(url: str) -> Iterator[str]:
    """Yield what must not be seen of a URL, whole and in the parts that another reader may take it for."""
    parts = _parts(url)
    user = _user(parts)
    password = (user[2] or "") if user else parts.credentials.removesuffix("@")
    values = re.split(r"[?&](?:[\w.%-]+=)?", parts.query)
    for secret in (password, *values, parts.unreadable):
        for part in (secret, *re.split(r"[:/?#@&=\s'\"<>]", secret)):
            meant = unquote(part)
            for spelling in {part, meant, unquote_plus(part), quote(meant, safe=""), quote_plus(meant)}:
                if len(spelling) >= _SHORTEST:
                    yield spelling
