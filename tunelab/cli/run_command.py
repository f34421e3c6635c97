"""`tunelab run`: search the experiment of a file. What it needs beside typer is imported when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    TrackingUri,
    WorkerCpus,
    WorkerGpus,
    is_given,
    where,
)
from tunelab.cli.resume_command import experiment_name, folder_of, go_on
from tunelab.cli.stop_signal import StopSignal
from tunelab.cli.ui_command import ui_hint

if TYPE_CHECKING:
    from tunelab.searchable import Searchable

MAY_CHANGE = {"file", "study", "resume", "executor", "address", "worker_cpus", "worker_gpus", "storage", "tracking_uri",
              "folder", "as_json", "debug"}  # fmt: skip
"""What a study that is resumed takes anew."""


def run(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:NAME]", help="A Python file that defines an experiment; its name where there are several."
        ),
    ],
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="With --resume, which study; by default the last of the experiment.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a study that was cut off, in place of a new one.")
    ] = False,
    trials: Annotated[
        int, typer.Option(help="How many trials; with --join, how many this engine adds to the study.")
    ] = 100,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Ask for no more trials after so many seconds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same study, trial by trial.")] = 0,
    backend: Annotated[str | None, typer.Option(help="numpy or torch, in place of the experiment's own.")] = None,
    population: Annotated[
        int | None, typer.Option(help="Trials that train together at most; by default what the cache holds.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, random, qmc, cmaes, gp, nsgaii or grid.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="none, median, asha or hyperband.")] = "none",
    search: Annotated[
        Literal["auto", "all"],
        typer.Option(help="Of the ranges that plugins bring, search those worth so many trials, or all."),
    ] = "auto",
    widen: Annotated[
        bool, typer.Option("--widen", help="Search further where the last study had its best trial at a bound.")
    ] = False,
    extend: Annotated[
        str | None,
        typer.Option(metavar="STUDY", help="Begin with the trials of this study that the experiment could have drawn."),
    ] = None,
    trial_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="A trial that trains longer is stopped, and has failed.")
    ] = None,
    worker_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="What each worker may hold, as 2GB; a trial that needs more has failed."),
    ] = None,
    max_failures: Annotated[
        int, typer.Option(metavar="N", help="Stop after so many failed trials in a row; 0 for never.")
    ] = 50,
    register: Annotated[
        str | None, typer.Option(metavar="NAME", help="Register the best trial's model in MLflow under this name.")
    ] = None,
    executor: ExecutorName = "process",
    address: Address = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; by default one for each core but one.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A database, as postgresql+psycopg://me@host/db; by default a journal."),
    ] = None,
    join: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Work on this study of the storage too; its own seed counts.")
    ] = None,
    tracking_uri: TrackingUri = None,
    folder: Folder = FOLDER,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Search the experiment of a Python file, and mirror its trials into MLflow.

    In the live table, members are trials that train together on average, of so many places; waiting ones have none yet.
    """
    with exit_codes(debug=debug), StopSignal() as stop:
        from tunelab.cli.load_experiment import load_experiment

        place = where(executor, address, worker_cpus, worker_gpus)
        _check_resumption(context, study, is_wanted=resume)
        experiment, path = load_experiment(file, study and experiment_name(Path(study).name))
        if resume:
            from tunelab.study.resume import last_unfinished

            home = folder_of(study, folder) if study else last_unfinished(folder, experiment.name)
            go_on(home, experiment, path, place, storage=storage, tracking_uri=tracking_uri, as_json=as_json, stop=stop)
            return
        if backend is not None:
            experiment = experiment.on(backend)

        from tunelab.cli.outcome import check_shown, json_line, print_notes, print_study
        from tunelab.cli.progress import Scope
        from tunelab.cli.watch import watching
        from tunelab.study import run as run_study
        from tunelab.study.extend import trials_before
        from tunelab.study.narrow import narrowed
        from tunelab.study.suggest import searched

        if widen and join is None:
            experiment = _widened(experiment, folder, storage)
        before = trials_before(folder / extend, storage) if extend else 0
        names = searched(experiment if join else narrowed(experiment, trials + before, search))
        scope = Scope(experiment.name, experiment.objective, names, timeout)
        with watching(scope, stop, folder, as_json=as_json) as watch:
            found = run_study(
                experiment,
                trials=trials,
                timeout=timeout,
                seed=seed,
                population=population,
                sampler=sampler,
                pruner=pruner,
                storage=storage,
                join=join,
                tracking_uri=tracking_uri,
                executor=place,
                workers=workers,
                search=search,
                widen=widen and join is not None,  # which is refused
                extend=extend,
                trial_timeout=trial_timeout,
                worker_memory=worker_memory,
                max_failures=max_failures,
                register=register,
                folder=folder,
                source_file=path,
                source=str(path.absolute()) + file.removeprefix(str(path)),
                watch=watch,
            )
        if as_json:
            print_notes(found, err=True)
            typer.echo(json_line(found, STARTED, watch.first_trial_s))
        else:
            print_study(found, scope, STARTED, ui_hint(tracking_uri, folder))
        check_shown(found)


def _check_resumption(context: typer.Context, study: str | None, *, is_wanted: bool) -> None:
    """Refuse to go on with a study with other settings than its own, or with one where a new one is wanted."""
    from tunelab.errors import ExperimentError

    if study and not is_wanted:
        raise ExperimentError(f"{study}: to go on with a study, add --resume; to run a new one, leave {study} out")
    options = {each.name: each.opts[0] for each in context.command.params if each.name not in MAY_CHANGE}
    given = [option for name, option in options.items() if name and is_given(context, name)]
    if is_wanted and given:
        raise ExperimentError(
            f"--resume: a study that is resumed keeps its settings; leave {', '.join(given)} out, or --resume, "
            "to run a new study"
        )


def _widened(experiment: "Searchable", folder: Path, storage: str | None) -> "Searchable":
    """Return the experiment with wider ranges, and say on standard error which."""
    from tunelab.study.widen import widened

    found = widened(experiment, folder, storage)
    for name, (before, after) in found.moved.items():
        typer.echo(f"widened after {found.after}: {name} in {after}, was {before}", err=True)
    return found.experiment
