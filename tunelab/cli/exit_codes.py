"""What goes wrong becomes one short message on standard error and an exit code."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

import typer

from tunelab.credentials import concealed_urls
from tunelab.errors import InputError, RunError

FAILED = 1
BAD_INPUT = 2
DIFFERENT = 3
"""A trial came out otherwise than it did before: nothing failed, but it is not the same."""

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))


@contextmanager
def exit_codes(*, debug: bool) -> Iterator[None]:
    """Turn errors into a message and `typer.Exit`: 2 for bad input, 1 for any other failure.

    Args:
        debug: print the traceback before the message.
    """
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            typer.echo(concealed_urls(traceback.format_exc()), err=True)
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(concealed_urls(_message(error)), err=True)
        raise typer.Exit(BAD_INPUT if isinstance(error, InputError) else FAILED) from None


def _message(error: Exception) -> str:
    if isinstance(error, InputError | RunError):
        return str(error)
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        return f"no space is left on the disk{f' for {error.filename}' if error.filename else ''}; make room first"
    if isinstance(error, OSError):
        return f"the system refused; {said}"
    frames = reversed(traceback.extract_tb(error.__traceback__))
    at = next(frame for frame in frames if _is_ours(frame.filename) or not _is_installed(frame.filename))
    if not _is_ours(at.filename):
        return f"{at.filename}, line {at.lineno}: {said}"
    return f"this is a bug in tunelab: {said} ({at.filename}, line {at.lineno}); --debug shows the traceback"


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(_PACKAGE)


def _is_installed(file: str) -> bool:
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in _INSTALLED)
