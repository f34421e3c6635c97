"""What a study found: for people, and as JSON."""

import json
import shlex
import time
from itertools import groupby
from pathlib import Path

import typer

from tunelab.cli.exit_codes import FAILED
from tunelab.cli.options import FOLDER
from tunelab.cli.progress import Scope, shown
from tunelab.errors import RunError
from tunelab.study.ledger import Snapshot
from tunelab.study.study import Study
from tunelab.training.weights_file import WEIGHTS
from tunelab.trial import Result, State


def json_line(study: Study, started: float, first_trial_s: float | None) -> str:
    """Return one line of JSON.

    `failed` counts all that is neither complete nor pruned: diverged, failed, interrupted. `best_params` holds the
    fixed hyperparameters too; it and `best_value` are null where no trial is complete. Times count from `started`, the
    process's own start, and `trials_per_s` is `trials` over `wall_s`.
    """
    counts, best = study.counts(), study.best
    wall = time.time() - started
    complete, pruned = counts[State.COMPLETE], counts[State.PRUNED]
    return json.dumps(
        {
            "study": study.name,
            "trials": len(study.trials),
            "complete": complete,
            "pruned": pruned,
            "failed": len(study.trials) - complete - pruned,
            "best_value": best and best.value,
            "best_params": best and dict(best.trial.params),
            "wall_s": round(wall, 3),
            "first_trial_s": None if first_trial_s is None else round(first_trial_s, 3),
            "trials_per_s": round(len(study.trials) / wall, 3),
            "mlflow_experiment_id": study.mlflow_experiment_id,
            "mlflow_run_id": study.mlflow_run_id,
            "registered_model": study.mirror.registered,
        }
    )


def print_study(study: Study, scope: Scope, started: float, ui: list[str]) -> None:
    """Print what a study found.

    Args:
        study: what has ended.
        scope: what it searched.
        started: when this process began, Unix seconds.
        ui: the command that opens MLflow on it.
    """
    wall = time.time() - started
    trials = len(study.trials)
    typer.echo(
        f"{study.name}: {trials} trial{'' if trials == 1 else 's'} in {wall:.1f} s, {trials / wall:.1f} a second; "
        f"{_counts(study.progress)}"
    )
    assert study.best is not None  # or run() had raised
    _print_best(study.best, scope)
    for name, value in study.test.items():
        typer.echo(f"  {name} {shown(value)}")
    print_notes(study)
    url = study.mirror.url or ""
    typer.echo(f"\nfiles    {study.folder}{_kept(study)}")
    if study.mirror.registered:
        typer.echo(f"model    {study.mirror.registered}")
    typer.echo(f"compare  {url if url.startswith('http') else shlex.join(ui)}")


def _kept(study: Study) -> str:
    """Return what of the best trial is kept in the study's folder, where anything is."""
    if (study.folder / WEIGHTS).exists():
        return f" (the best trial's trained model: {WEIGHTS})"
    try:
        return f" (the best trial's checkpoint: {study.best_checkpoint().folder.relative_to(study.folder)})"
    except RunError:
        return ""


def print_notes(study: Study, *, err: bool = False) -> None:
    """Print why trials failed, at which bounds the best one lies, and what so few trials were too few to search."""
    failed = [result for result in study.trials if result.state is State.FAILED]
    for why, alike in groupby(sorted(failed, key=lambda result: result.why or ""), key=lambda result: result.why):
        numbers = [result.trial.number for result in alike]
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        typer.secho("failed: ", fg="red", bold=True, nl=False, err=err)
        typer.echo(f"trial {numbers[0]}{more}: {why}", err=err)
    for at in study.at_bounds:
        typer.secho("warning: ", fg="yellow", bold=True, nl=False, err=err)
        way = "upwards" if at.side == "upper" else "downwards"
        typer.echo(
            f"{at.name} = {shown(at.value)} is at the {at.side} end of {at.within}; "
            f"widen it {way}, to {at.wider}, or let --widen do it",
            err=err,
        )
    for note in study.notes:
        typer.echo(f"note: {note}", err=err)
    if study.held:
        names = ", ".join(dict.fromkeys(each.name for each in study.held))
        enough = max(each.trials for each in study.held)
        typer.echo(f"held at defaults: {names} (to search them: --search all, or --trials {enough})", err=err)


def check_shown(study: Study) -> None:
    """Exit with `FAILED` where MLflow does not show all of a study, which was said."""
    if study.mirror.incomplete:
        raise typer.Exit(FAILED)


def print_kept(snapshot: Snapshot, scope: Scope, folder: Path) -> None:
    """Print to standard error what is kept of a study that did not end well."""
    unfinished = snapshot.running + snapshot.waiting
    typer.echo(
        f"{snapshot.study}: stopped after {snapshot.seconds:.1f} s; kept in {folder / snapshot.study}: "
        f"{_counts(snapshot)}; marked as interrupted: {unfinished}",
        err=True,
    )
    typer.echo(f"to go on: tunelab resume {_named(folder, snapshot.study)}", err=True)
    if snapshot.best is not None:
        _print_best(snapshot.best, scope, err=True)


def _named(folder: Path, study: str) -> str:
    """Return what a study is called on the command line: its name where studies are usually kept, or its folder."""
    return study if folder == FOLDER else str(folder / study)


def _counts(snapshot: Snapshot) -> str:
    return ", ".join(f"{count} {state}" for state, count in snapshot.counts.items() if count) or "none ended"


def _print_best(best: Result, scope: Scope, *, err: bool = False) -> None:
    value = typer.style(shown(best.value), fg="green", bold=True)
    typer.echo(f"\nbest {scope.objective} {value}, trial {best.trial.number}", err=err)
    params = {name: shown(best.trial.params[name]) for name in scope.searched if name in best.trial.params}
    width = max(map(len, params), default=0)
    for name, value in params.items():
        typer.echo(f"  {name:{width}}  {value}", err=err)
