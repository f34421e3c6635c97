"""Options that more than one command takes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

FOLDER = Path("studies")

ExecutorName = Annotated[Literal["process", "inline"], typer.Option(help="Train in worker processes, or in this one.")]
Folder = Annotated[Path, typer.Option(metavar="DIR", help="Where studies keep their files.")]
TrackingUri = Annotated[
    str | None, typer.Option(metavar="URI", help="MLflow's; by default MLFLOW_TRACKING_URI, else mlflow.db here.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; of a run, as the last line.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
