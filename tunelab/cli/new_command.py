"""`tunelab new`: write what somebody would otherwise write by hand. What it needs beside typer is imported late."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import Debug

new = typer.Typer(no_args_is_help=True, help="Write something to start from.")


@new.callback()
def _group() -> None:
    """Keep `plugin` a command of its own, though it is the only one yet."""


@new.command()
def plugin(
    name: Annotated[str, typer.Argument(help="The distribution's name, such as my-rule.")],
    kind: Annotated[Literal["optimizer", "schedule", "model", "dataset"], typer.Option(help="What it adds.")],
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where its folder goes.")] = Path(),
    debug: Debug = False,
) -> None:
    """Write an installable plugin with tests that pass, in a new folder NAME."""
    with exit_codes(debug=debug):
        from tunelab.cli.plugin_files import write_plugin
        from tunelab.cli.plugin_names import PluginNames

        names = PluginNames.of(name, kind)
        home = write_plugin(names, folder)
        typer.echo(f"wrote the {kind} {names.plugin!r} to {home}\n\n  cd {home}")
        typer.echo('  pip install -e ".[test]"\n  pytest\n\nand `tunelab plugins` lists it.')
