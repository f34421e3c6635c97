"""`tunelab sync`: show in MLflow what it could not take while a study ran."""

import typer

from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import FOLDER, Debug, Folder, TrackingUri


def sync(tracking_uri: TrackingUri = None, folder: Folder = FOLDER, debug: Debug = False) -> None:
    """Send MLflow what studies hold that it does not show yet, after a server was away."""
    with exit_codes(debug=debug):
        from tunelab.errors import TrackingError
        from tunelab.tracking.sync import sync as send
        from tunelab.tracking.sync import unsent

        waiting = unsent(folder)
        if not waiting:
            typer.echo(f"MLflow shows every study of {folder}; there is nothing to send.")
        for study in waiting:
            if not send(study, tracking_uri):
                raise TrackingError(f"{study.name} could not be sent: {study / 'mlflow.log'} says why; try again later")
            typer.echo(f"{study.name}: sent")
