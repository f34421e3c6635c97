"""`tunelab reproduce`: train one trial of MLflow's again, alone, and say whether it comes out as it did."""

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from tunelab.cli.exit_codes import DIFFERENT, exit_codes
from tunelab.cli.options import Debug, Json, TrackingUri
from tunelab.cli.stop_signal import StopSignal

if TYPE_CHECKING:
    from tunelab.searchable import Searchable
    from tunelab.tracking.recorded import RecordedTrial


def reproduce(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="A trial's run ID, as its page in MLflow shows it.")],
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:NAME]",
            help="The Python file of the experiment, where MLflow does not hold all of it; it is run.",
        ),
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train one trial again, alone, and compare its curves point by point: 0 if they are equal, 3 if they differ."""
    with exit_codes(debug=debug), StopSignal():
        from tunelab.tracking.recorded import recorded_trial

        recorded = recorded_trial(run_id, tracking_uri)
        experiment = _experiment(recorded, file)

        from tunelab.cli.reproduction import json_line, print_reproduction
        from tunelab.study.reproduce import trained_again

        typer.echo(f"training {recorded.title} again, alone: {recorded.epochs} epochs in MLflow", err=True)
        with redirect_stdout(sys.stderr):  # what a loop prints is no result
            found = trained_again(recorded, experiment)
        if as_json:
            typer.echo(json_line(found))
        else:
            print_reproduction(found)
        if not found.equal:
            raise typer.Exit(DIFFERENT)


def _experiment(recorded: "RecordedTrial", file: str | None) -> "Searchable":
    """Return the experiment; what MLflow does not hold of it is taken from the file that the person gave."""
    from tunelab.study.reproduce import rebuilt

    if file is None:
        return rebuilt(recorded)

    from tunelab.cli.load_experiment import load_experiment
    from tunelab.searchable import json_fields

    return rebuilt(recorded, load_experiment(file, json_fields(recorded.experiment_json).get("name"))[0])
