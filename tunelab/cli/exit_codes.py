"""What goes wrong becomes one short message on standard error and an exit code."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tunelab.errors import InputError, RunError

FAILED = 1
BAD_INPUT = 2

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
            traceback.print_exc()
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(_message(error), err=True)
        raise typer.Exit(BAD_INPUT if isinstance(error, InputError) else FAILED) from None


def _message(error: Exception) -> str:
    if isinstance(error, InputError | RunError):
        return str(error)
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, OSError):
        return f"the system refused; {said}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_under(frame.filename, (_PACKAGE, *_INSTALLED))]
    if theirs:
        return f"{theirs[-1].filename}, line {theirs[-1].lineno}: {said}"
    ours = [frame for frame in frames if _is_under(frame.filename, (_PACKAGE,))][-1]
    return f"this is a bug in tunelab: {said} ({ours.filename}, line {ours.lineno}); --debug shows the traceback"


def _is_under(file: str, folders: tuple[Path, ...]) -> bool:
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)
