"""`tunelab ui`: MLflow, opened on the comparison of the last study."""

import socket
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import FOLDER, Debug, Folder, ShownAt
from tunelab.cli.stop_signal import StopSignal
from tunelab.credentials import redacted
from tunelab.errors import InputError, RunError, StoreError

PORT = 5000


def ui(
    port: Annotated[int | None, typer.Option(help="By default the first free one from 5000 on.")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    tracking_uri: ShownAt = None,
    folder: Folder = FOLDER,
    debug: Debug = False,
) -> None:
    """Open the MLflow that shows the last study, on its comparison, on this machine only, until Ctrl-C."""
    with exit_codes(debug=debug), StopSignal():
        from tunelab.tracking.study_uri import study_uri
        from tunelab.tracking.tracking_uri import is_server, resolve_tracking_uri
        from tunelab.tracking.ui import address, comparison, last_shown, serve

        given = resolve_tracking_uri(tracking_uri) if tracking_uri else None
        study = last_shown(folder, given)
        if study is None:
            at = f" at {redacted(given)}" if given else ""
            raise StoreError(
                f"no study in {folder.absolute()} is in MLflow{at}; make one with: tunelab run FILE "
                "(or name where it is: --folder DIR, --tracking-uri URI)"
            )
        uri, page = study_uri(study, given), comparison(study)
        if is_server(uri):
            _show(address(uri, 0) + page, open_browser)
            return
        chosen = _free_port() if port is None else _required(port)
        typer.echo("starting MLflow ...", err=True)
        server = serve(uri, chosen)
        try:
            _show(address(uri, chosen) + page, open_browser)
            typer.echo("Ctrl-C ends it", err=True)
            code = server.wait()
        except KeyboardInterrupt:
            return
        finally:
            server.terminate()
            server.wait()
        raise RunError(f"the MLflow server ended by itself, with code {code}")


def ui_hint(tracking_uri: str | None, folder: Path) -> list[str]:
    """Return the command that opens MLflow on a study, without the password of a tracking URI."""
    from tunelab.tracking.tracking_uri import resolve_tracking_uri

    command = ["tunelab", "ui"]
    if tracking_uri is not None and resolve_tracking_uri(tracking_uri) != resolve_tracking_uri():
        command += ["--tracking-uri", redacted(tracking_uri)]
    if folder != FOLDER:
        command += ["--folder", str(folder)]
    return command


def _show(url: str, open_browser: bool) -> None:
    typer.echo(url)
    if open_browser:
        webbrowser.open(url)


def _free_port() -> int:
    return next(port for port in range(PORT, PORT + 50) if _is_free(port))


def _required(port: int) -> int:
    if not _is_free(port):
        raise InputError(f"the port {port} is taken by another program; give another --port, or none for a free one")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
