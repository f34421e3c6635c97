"""What of a URL may be shown, logged and written down: no password, no token, in whatever spelling."""

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

_SHORTEST = 3  # letters of a secret that is looked for in a text: the place of a shorter one would tell it

_QUERY = re.compile(r"\?(?=[\w.-]+=)")
_SECRET = re.compile(
    r"([\w.%-]*(?:pass|pwd|token|secret|key|auth|cred|sig)[\w.%-]*=)((?:(?!&[\w.%-]+=).)*)", re.IGNORECASE | re.DOTALL
)
"""One of a query's secrets; what comes behind an `&` that is not spelt as `%26` belongs to it, unless it has a name."""

_ANY_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"<>]+")


def redacted(url: str) -> str:
    """Return a URL without user, password and other secrets.

    >>> redacted("https://ada:secret@host:5000/mlflow")
    'https://host:5000/mlflow'
    >>> redacted("https://host/mlflow?token=secret")
    'https://host/mlflow?token=***'
    """
    scheme, credentials, place = _parts(url)
    return scheme + _SECRET.sub(rf"\1{HIDDEN}", place if credentials is not None else url.removeprefix(scheme))


def masked(url: str) -> str:
    """Return a URL without its password and other secrets.

    >>> masked("postgresql://ann:secret@host/studies")
    'postgresql://ann:***@host/studies'
    """
    scheme, credentials, place = _parts(url)
    user, colon, _ = (credentials or "").partition(":")
    shown = "" if credentials is None else f"{user}{colon and f':{HIDDEN}'}@"
    return scheme + shown + _SECRET.sub(rf"\1{HIDDEN}", place)


def concealed(text: str, url: str) -> str:
    """Return a text, an error's for example, without the secrets of this URL, whole or in parts.

    >>> concealed("no host 'ret@host' for ann:sec/ret", "mysql://ann:sec/ret@host/x")
    "no host 'ret@host' for ann:***"
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


def _parts(url: str) -> tuple[str, str | None, str]:
    """Return scheme, credentials (None without any) and the rest, of a URL that may be spelt wrongly.

    Credentials reach up to the last `@` before the query: a password may hold `@`, `/`, `#` and `?` as they are. What
    has no host is a file's path.
    """
    scheme = match[0] if (match := re.match(r"[A-Za-z][\w+.-]*:/{1,2}", url)) else ""
    rest = url.removeprefix(scheme)
    if scheme and rest.startswith("/"):
        return scheme, None, rest
    place = _QUERY.split(rest, maxsplit=1)[0]
    if "@" not in place and re.match(r"[^/?#]*:(?!\d*([/?#]|$))", place):  # its port is no number: a password goes on
        place = rest
    credentials, at, _ = place.rpartition("@")
    return (scheme, credentials, rest[len(credentials) + 1 :]) if at else (scheme, None, rest)


def _secrets(url: str) -> Iterator[str]:
    """Yield what must not be seen of a URL, as it stands there and in other spellings."""
    _, credentials, place = _parts(url)
    user, colon, password = (credentials or "").partition(":")
    for secret in (password if colon else user, *(found[2] for found in _SECRET.finditer(place))):
        meant = unquote(secret)
        for spelling in {secret, meant, unquote_plus(secret), quote(meant, safe=""), quote_plus(meant)}:
            if len(spelling) >= _SHORTEST:
                yield spelling
