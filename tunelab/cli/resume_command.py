"""`tunelab resume`: go on with a study that was cut off."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tunelab.cli import STARTED
from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import FOLDER, Debug, Folder, Json, TrackingUri
from tunelab.cli.stop_signal import StopSignal
from tunelab.cli.ui_command import ui_hint

if TYPE_CHECKING:
    from tunelab.searchable import Searchable


def resume(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Its name, as digits-3, or its folder.")],
    executor: Annotated[
        Literal["process", "inline"], typer.Option(help="Train in worker processes, or in this one.")
    ] = "process",
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Optuna's storage again, where it has a password.")
    ] = None,
    tracking_uri: TrackingUri = None,
    folder: Folder = FOLDER,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Go on with a study after a crash, a reboot or Ctrl-C, as if it had never been cut off."""
    with exit_codes(debug=debug), StopSignal() as stop:
        from tunelab.cli.outcome import json_line, print_notes, print_study
        from tunelab.cli.progress import Scope
        from tunelab.cli.watch import watching
        from tunelab.study import resume as resume_study
        from tunelab.study.resume import experiment_of
        from tunelab.study.study_file import StudyFile
        from tunelab.study.suggest import searched

        home = Path(study) if len(Path(study).parts) > 1 else folder / study
        file = StudyFile.load(home)
        given, path = _loaded(file.source)
        experiment = experiment_of(home, given)
        scope = Scope(experiment.name, experiment.objective, searched(experiment), file.timeout)
        with watching(scope, stop, home.parent) as watch:
            found = resume_study(
                home,
                given,
                storage=storage,
                tracking_uri=tracking_uri,
                executor=executor,
                source_file=path,
                watch=watch,
            )
        if as_json:
            print_notes(found, err=True)
            typer.echo(json_line(found, STARTED, watch.first_trial_s))
        else:
            print_study(found, scope, STARTED, ui_hint(tracking_uri, home.parent))


def _loaded(source: str | None) -> "tuple[Searchable | None, Path | None]":
    """Return the experiment of the file that the study was run from, and the file."""
    from tunelab.cli.load_experiment import load_experiment

    return (None, None) if source is None else load_experiment(source)
