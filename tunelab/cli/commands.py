"""The commands and their entry."""

from typing import Annotated

import typer

from tunelab import __version__
from tunelab.cli.new_command import new
from tunelab.cli.plugins_command import plugins
from tunelab.cli.resume_command import resume
from tunelab.cli.run_command import run
from tunelab.cli.sync_command import sync
from tunelab.cli.ui_command import ui

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
for command in (run, resume, ui, plugins, sync):
    app.command()(command)
app.add_typer(new, name="new")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tunelab {__version__}")
        raise typer.Exit


@app.callback()
def tunelab(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Choose optimizer, learning rate, batch size and model by training whole populations of trials together."""
