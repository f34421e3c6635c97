"""The names that MLflow's model registry takes."""

from tunelab.errors import StoreError, setting

_LONGEST = 256


def check_registered_name(name: str) -> None:
    """Raise `StoreError` for a name that MLflow refuses, before anything trains.

    >>> check_registered_name("digits best")
    >>> check_registered_name("a/b")
    Traceback (most recent call last):
    tunelab.errors.StoreError: register='a/b' (--register a/b): MLflow takes no '/' or ':' in a model's name; say 'a-b'
    """
    if not isinstance(name, str) or not name.strip():
        raise StoreError(f"{setting('register')} must be the name of a model, was {name!r}")
    if set(name) & set("/:"):
        better = name.replace("/", "-").replace(":", "-")
        raise StoreError(f"{setting('register', name)}: MLflow takes no '/' or ':' in a model's name; say {better!r}")
    if name == "." or name.startswith("..") or len(name) > _LONGEST or not name.isprintable():
        raise StoreError(
            f"{setting('register', name)}: MLflow takes names of up to {_LONGEST} characters in one line that are no "
            "path; give another"
        )
