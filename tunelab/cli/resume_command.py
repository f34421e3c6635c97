"""`tunelab resume`: go on with a study that was cut off."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunelab.cli import STARTED
from tunelab.cli.exit_codes import exit_codes
from tunelab.cli.options import (
    FOLDER,
    Address,
    Debug,
    ExecutorName,
    Folder,
    Json,
    ShownAt,
    WorkerCpus,
    WorkerGpus,
    where,
)
from tunelab.cli.stop_signal import StopSignal
from tunelab.cli.ui_command import ui_hint

if TYPE_CHECKING:
    from tunelab.executors.by_name import Where
    from tunelab.searchable import Searchable


def resume(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Its name, as digits-3, or its folder.")],
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE[:NAME]", help="The Python file of the experiment, if it is not where it was."),
    ] = None,
    executor: ExecutorName = "process",
    address: Address = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Optuna's storage again, where it has a password.")
    ] = None,
    tracking_uri: ShownAt = None,
    folder: Folder = FOLDER,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Go on with a study after a crash, a reboot or Ctrl-C, as if it had never been cut off."""
    with exit_codes(debug=debug), StopSignal() as stop:
        from tunelab.study.study_file import StudyFile

        home = folder_of(study, folder)
        source = file or StudyFile.load(home).source
        given, path = (None, None) if source is None else _loaded(source, home.name)
        place = where(executor, address, worker_cpus, worker_gpus)
        go_on(home, given, path, place, storage=storage, tracking_uri=tracking_uri, as_json=as_json, stop=stop)


def folder_of(study: str, folder: Path) -> Path:
    """Return the folder of a study that is named, or is given by its folder."""
    return Path(study) if len(Path(study).parts) > 1 else folder / study


def experiment_name(study: str) -> str:
    """Return the name of the experiment that a study is one of.

    >>> experiment_name("digits-3")
    'digits'
    """
    return study.rpartition("-")[0]


def go_on(
    home: Path,
    given: "Searchable | None",
    path: Path | None,
    executor: "Where",
    *,
    storage: str | None,
    tracking_uri: str | None,
    as_json: bool,
    stop: StopSignal,
) -> None:
    """Go on with the study of a folder, and print what came of it.

    Args:
        home: its folder.
        given, path: its experiment, and the file that defines it, where there is one.
        executor, storage, tracking_uri: as `resume` takes them.
        as_json: print JSON.
        stop: what a person may send meanwhile.
    """
    from tunelab.cli.outcome import check_shown, json_line, print_notes, print_study
    from tunelab.cli.progress import Scope
    from tunelab.cli.watch import watching
    from tunelab.study import resume as resume_study
    from tunelab.study.resume import experiment_of
    from tunelab.study.study_file import StudyFile
    from tunelab.study.suggest import searched
    from tunelab.tracking.study_uri import study_uri

    timeout = StudyFile.load(home).timeout
    experiment = experiment_of(home, given)
    scope = Scope(experiment.name, experiment.objective, searched(experiment), timeout)
    with watching(scope, stop, home.parent, as_json=as_json) as watch:
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
        print_study(found, scope, STARTED, ui_hint(study_uri(home, tracking_uri), home.parent))
    check_shown(found)


def _loaded(source: str, study: str) -> "tuple[Searchable, Path]":
    """Return the experiment of the `FILE:NAME` that a study was run from, and the file."""
    from tunelab.cli.load_experiment import file_and_name, load_experiment
    from tunelab.errors import ExperimentError

    path, _ = file_and_name(source)
    if not path.exists():
        raise ExperimentError(f"{study} was run from {path}, which is gone; say where it is now: --file FILE[:NAME]")
    return load_experiment(source, experiment_name(study))
