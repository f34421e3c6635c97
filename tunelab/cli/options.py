"""Options that more than one command takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tunelab.executors.by_name import Where

FOLDER = Path("studies")

ExecutorName = Annotated[
    Literal["process", "inline", "ray"],
    typer.Option(help="Train in worker processes, in this one, or on Ray."),
]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster's; by default RAY_ADDRESS, else the one here.")
]
WorkerCpus = Annotated[float | None, typer.Option(metavar="CPUS", help="CPUs of each worker on Ray; by default 1.")]
WorkerGpus = Annotated[float | None, typer.Option(metavar="GPUS", help="GPUs of each worker on Ray; by default none.")]
Folder = Annotated[Path, typer.Option(metavar="DIR", help="Where studies keep their files.")]
TrackingUri = Annotated[
    str | None, typer.Option(metavar="URI", help="MLflow's; by default MLFLOW_TRACKING_URI, else mlflow.db here.")
]
ShownAt = Annotated[str | None, typer.Option(metavar="URI", help="MLflow's; by default the one that shows the study.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; of a run, as the last line.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter was written on the command line, be it as its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def where(executor: ExecutorName, address: str | None, cpus: float | None, gpus: float | None) -> "Where":
    """Return where to train, as `run` takes it.

    Raises:
        ExperimentError: something that only Ray has is given for another executor.
    """
    from tunelab.errors import ExperimentError

    given = {"--address": address, "--worker-cpus": cpus, "--worker-gpus": gpus}
    if executor == "ray":
        from tunelab.executors.ray import Ray

        fields = zip(("address", "cpus", "gpus"), given.values(), strict=True)
        return Ray(**{name: value for name, value in fields if value is not None})  # type: ignore[arg-type]
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise ExperimentError(f"{' and '.join(wrong)}: only a Ray cluster has that; add --executor ray")
    return executor
