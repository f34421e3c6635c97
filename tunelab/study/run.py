"""Run a study from start to end: data, worker, Optuna, tracker, and what is kept of the best."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import islice
from pathlib import Path
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tunelab.contracts import Executor, Tracker, Work
from tunelab.errors import AllTrialsFailed, ExperimentError, StoreError, TrackingError, suggestion
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.team import TeamExecutor, default_workers
from tunelab.experiments import Experiment
from tunelab.loop import Loop
from tunelab.searchable import Searchable
from tunelab.study.bounds import at_bounds
from tunelab.study.engine import Budget, Engine
from tunelab.study.folder import held as held_folder
from tunelab.study.folder import new_folder
from tunelab.study.joined import Joined, joined, note
from tunelab.study.journal import OneWriterJournal
from tunelab.study.ledger import Ledger, Snapshot
from tunelab.study.loop_regime import LoopRegime
from tunelab.study.narrow import SearchMode, held, narrowed
from tunelab.study.population_regime import PopulationRegime
from tunelab.study.pruners import Pruner, pruner_of
from tunelab.study.regime import Regime
from tunelab.study.rounds import Round, Rounds
from tunelab.study.samplers import Sampler, sampler_of
from tunelab.study.software import platform_now, versions_of
from tunelab.study.storage import masked, open_storage
from tunelab.study.study import Study
from tunelab.study.study_file import StudyFile
from tunelab.study.suggest import defaults, grid, searched, shared
from tunelab.study.widen import widened
from tunelab.tracking.mlflow_tracker import MLflowTracker
from tunelab.training.weights_file import WEIGHTS
from tunelab.trial import DataRecord, Ended, Finished, Result, State, StudyRecord, Summary, Value

FOLDER = Path("studies")
"""Where studies keep their files, below the folder in which one is run."""

EXPERIMENT = "experiment.json"
"""What a study searches, in its folder."""


def run(
    experiment: Searchable,
    *,
    trials: int | None = 100,
    timeout: float | None = None,
    seed: int = 0,
    population: int | None = None,
    sampler: Sampler = "tpe",
    pruner: Pruner = "none",
    storage: str | None = None,
    join: str | None = None,
    tracker: Tracker | None = None,
    tracking_uri: str | None = None,
    executor: Literal["process", "inline"] = "process",
    workers: int | None = None,
    search: SearchMode = "auto",
    widen: bool = False,
    register: str | None = None,
    folder: Path | str = FOLDER,
    source_file: Path | None = None,
    source: str | None = None,
    watch: Callable[[Snapshot], None] = lambda _: None,
) -> Study:
    """Search an experiment and return what was found.

    Args:
        experiment: what is searched.
        trials: how many; None for as many as the timeout allows. A grid has no more than its points. In a study that is
            joined, how many this engine adds.
        timeout: no trial is asked for after so many seconds; those that run end first.
        seed: of the sampler and of every trial; the same seed and number of workers give the same study, bit by bit.
        population: members that train together at most; by default as many as the cache holds. Not for a loop.
        sampler: a name (`tpe`, `random`, `qmc`, `cmaes`, `gp`, `nsgaii`, `grid`) or an Optuna sampler.
        pruner: a name (`none`, `median`, `asha`, `hyperband`) or an Optuna pruner.
        storage: an Optuna URL; by default a journal file in the study's folder.
        join: work on this study too, which another engine made in the storage. Its experiment must be this one; its
            seed and ranges count, in place of `seed` and `search`.
        tracker: what mirrors the study; by default MLflow.
        tracking_uri: MLflow's; by default `MLFLOW_TRACKING_URI`, else `mlflow.db` in the present folder.
        executor: train in worker processes, or `inline` in this one.
        workers: processes that train, by turns that no clock decides; by default one for each core but the one that
            this process needs.
        search: `auto` fixes the ranges that a plugin brings, and that so few trials are too few for, at its defaults
            (`study.held`); `all` searches them too. Without a number of trials all are searched; a grid is laid over
            what is searched.
        widen: search further where the last study of this experiment in the folder had its best trial at a bound.
        register: the name under which the best trial's model is registered in MLflow.
        folder: where the study's folder is made.
        source_file: the Python file that defines the experiment, kept with the study.
        source: by which `FILE:NAME` a command line finds the experiment again, to resume the study.
        watch: called with the progress, at the start and after every round of training.

    Raises:
        InputError: the experiment, its data, a store or a setting is wrong; nothing was trained.
        AllTrialsFailed: no trial completed.
        KeyboardInterrupt: after Ctrl-C; what is finished is kept, what ran is marked as interrupted.

    >>> from tunelab import Experiment
    >>> from tunelab.models import Quadratic
    >>> from tunelab.tracking import MemoryTracker
    >>> experiment = Experiment(name="bowl", model=Quadratic(), optimizer="sgd", epochs=1, steps_per_epoch=10)
    >>> study = run(experiment, trials=3, executor="inline", tracker=MemoryTracker(), folder=getfixture("tmp_path"))
    >>> len(study.trials)
    3
    """
    _check_settings(trials, timeout, population, seed, executor, workers)
    workers = workers or (default_workers() if executor == "process" else 1)
    other = None if join is None else joined(experiment, storage, join, grid=sampler == "grid", widen=widen)
    if other:
        experiment = wanted = other.experiment
        seed = other.seed
    else:
        wanted = widened(experiment, Path(folder), storage).experiment if widen else experiment
        experiment = narrowed(wanted, trials, search)
    chosen_sampler = sampler_of(sampler, other.sampler_seed if other else seed)
    chosen_pruner = pruner_of(pruner)
    regime = regime_of(experiment, population)
    if other:
        other.check_data(regime.data)
    mirror = tracker if tracker is not None else MLflowTracker(tracking_uri)
    if register is not None:
        _check_register(register, regime, mirror)
    home = new_folder(Path(folder), experiment.name)
    file = StudyFile(
        wanted.to_json(), source, trials, timeout, seed, population, _name(sampler), _name(pruner), search, register,
        workers, storage and masked(storage), joined=join,
    )  # fmt: skip
    file.save(home)
    (home / EXPERIMENT).write_text(experiment.to_json())
    plan = Plan(
        file, wanted, experiment, chosen_sampler, chosen_pruner, regime, home, storage, executor, source_file, other
    )
    with held_folder(home):
        return search_by(plan, mirror, watch)


@dataclass(frozen=True)
class Plan:
    """What is to be done for one study.

    Attributes:
        file: the settings.
        wanted, experiment: what was given, and what is searched of it.
        sampler, pruner: Optuna's.
        regime: how trials train.
        home: the study's folder.
        storage: Optuna's URL, password and all; None for the journal in the folder.
        executor: where trials train, by name.
        source_file: the file that defines the experiment, where there is one.
        other: the study that is joined; None for a study of its own.
    """

    file: StudyFile
    wanted: Searchable
    experiment: Searchable
    sampler: BaseSampler
    pruner: BasePruner
    regime: Regime
    home: Path
    storage: str | None
    executor: str
    source_file: Path | None
    other: Joined | None = None


def search_by(
    plan: Plan, mirror: Tracker, watch: Callable[[Snapshot], None], known: Sequence[Round] | None = None
) -> Study:
    """Search as planned, or go on after the rounds that are known, and return what was found.

    Args:
        plan: what to do.
        mirror: shows it.
        watch: called with the progress.
        known: of a study that is resumed, what its workers have answered; None for a new one.

    Raises:
        InputError, RunError, KeyboardInterrupt: as `run` does.
    """
    file, experiment, regime, home, seed = plan.file, plan.experiment, plan.regime, plan.home, plan.file.seed
    workers, timeout, register = file.workers, file.timeout, file.register
    with ExitStack() as cleanup, _quiet_optuna():
        cleanup.callback(mirror.close)
        worker = cleanup.enter_context(EXECUTORS[plan.executor](regime.work(home), workers))
        if known is None:
            worker.start()
        study, trials = _opened(plan)
        settings = {"trials": trials, "timeout": timeout, "seed": seed, "population": file.population,
                    "sampler": type(plan.sampler).__name__, "pruner": type(plan.pruner).__name__,
                    "search": file.search, "workers": workers}  # fmt: skip
        if file.joined:
            settings["joined"] = file.joined
        mirror.begin(_record(experiment, home, seed, plan.source_file, regime.data, settings), time.time())

        def settle(result: Result, ended: Ended, is_best: bool) -> None:
            regime.settle(home, result, ended, is_best=is_best)

        prunes = not isinstance(plan.pruner, optuna.pruners.NopPruner)
        engine = Engine(
            experiment,
            study,
            worker,
            mirror,
            Budget(trials, timeout, *regime.pace(prunes=prunes), workers),
            seed,
            watch,
            settle,
            Rounds(home).append,
        )
        ledger, finished = engine.ledger, Finished()
        try:
            if known is not None:
                with _past(study, ledger):
                    engine.replay(known)
            engine.run()
            if ledger.best is not None:
                finished = regime.finish(home, ledger.best.trial, worker, export=mirror.keeps_models)
        except BaseException as error:
            engine.interrupt("interrupted by a signal" if isinstance(error, KeyboardInterrupt) else str(error))
            worker.close()  # nothing trains on while MLflow is completed
            with suppress(TrackingError):  # the cause is what a person must hear of
                mirror.finish(_summary(ledger, home, finished, None), time.time())
            raise
        shown = mirror.finish(_summary(ledger, home, finished, register), time.time())
    replace(file, finished=True).save(home)
    best = ledger.best and replace(ledger.best, loader=regime.loader(home, ledger.best.trial))
    found = Study(
        name=home.name,
        experiment=experiment,
        folder=home,
        trials=tuple(ledger.results[number] for number in sorted(ledger.results)),
        best=best,
        progress=ledger.snapshot(trials),
        first_trial_s=ledger.first_seconds,
        test=finished.metrics,
        mirror=shown,
        optuna=study,
        held=held(plan.wanted, experiment),
        at_bounds=at_bounds(experiment, study),
        notes=(*engine.notes, *finished.notes, *shown.notes),
    )
    if found.best is None:
        raise AllTrialsFailed(_why_none(found))
    if register and shown.registered is None:
        why = "; ".join((*finished.notes, *shown.notes))
        raise TrackingError(f"the best trial of {home.name} is not registered as {register!r}: {why}; it is in {home}")
    return found


def _name(given: Sampler | Pruner) -> str | None:
    return given if isinstance(given, str) else None


@contextmanager
def _past(study: optuna.Study, ledger: Ledger) -> Iterator[None]:
    """Let Optuna's journal write the times at which things happened first."""
    journal = study._storage
    if isinstance(journal, OneWriterJournal):
        journal.now = lambda: ledger.now()
        yield
        journal.now = None
    else:
        yield


EXECUTORS: dict[str, Callable[[Work, int], Executor]] = {
    "process": lambda job, workers: TeamExecutor(lambda: ProcessExecutor(job), workers),
    "inline": lambda job, workers: TeamExecutor(lambda: InlineExecutor(job), workers),
}
"""How a study trains, by name: given the job, and how many workers are wanted."""


@singledispatch
def regime_of(experiment: Searchable, population: int | None) -> Regime:
    """Return how the trials of an experiment of this kind train.

    Raises:
        InputError: what cannot be trained.
    """
    raise ExperimentError(f"a study searches an Experiment or a loop, was {experiment!r}")


@regime_of.register
def _(experiment: Experiment, population: int | None) -> Regime:
    return PopulationRegime(experiment, population)


@regime_of.register
def _(experiment: Loop, population: int | None) -> Regime:
    return LoopRegime(experiment, population)


def _check_settings(
    trials: int | None, timeout: float | None, population: int | None, seed: int, executor: str, workers: int | None
) -> None:
    if trials is None and timeout is None:
        raise ExperimentError("give a number of trials, a timeout, or both; with neither a study would never end")
    for name, value in {"trials": trials, "timeout": timeout, "population": population, "workers": workers}.items():
        kind, wanted = (int | float, "a number") if name == "timeout" else (int, "a whole number")
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not value > 0):
            raise ExperimentError(f"{name} must be {wanted} above 0, was {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ExperimentError(f"seed must be a whole number from 0 to 2**32 - 1, was {seed!r}")
    if executor not in EXECUTORS:
        raise ExperimentError(f"no executor named {executor!r}; {suggestion(str(executor), EXECUTORS)}")
    if executor == "inline" and workers is not None and workers > 1:
        raise ExperimentError(
            f"workers={workers}: executor='inline' trains in this process alone; leave one of them out"
        )


def _check_register(name: str, regime: Regime, tracker: Tracker) -> None:
    if not regime.keeps_models:
        raise ExperimentError(f"register={name!r}: a loop keeps, and may register, its own models; leave register out")
    tracker.check_name(name)


def _opened(plan: Plan) -> tuple[optuna.Study, int | None]:
    """Return Optuna's study, made or joined, and how many trials this engine will ask for at most."""
    if plan.other:
        return plan.other.load(plan.sampler, plan.pruner), plan.file.trials
    study = _optuna_study(plan.experiment, plan.home, plan.storage, plan.sampler, plan.pruner)
    note(study, plan.experiment, plan.wanted, plan.file.seed, plan.regime.data)
    return study, _enqueue(plan.experiment, study, plan.file.sampler, plan.file.trials)


def _optuna_study(
    experiment: Searchable, home: Path, url: str | None, sampler: BaseSampler, pruner: BasePruner
) -> optuna.Study:
    storage = open_storage(url, home)
    direction: Literal["maximize", "minimize"] = "maximize" if experiment.maximize else "minimize"
    try:
        study = optuna.create_study(
            storage=storage, study_name=home.name, sampler=sampler, pruner=pruner, direction=direction
        )
    except optuna.exceptions.DuplicatedStudyError:
        raise StoreError(
            f"the storage {masked(url or '')} has a study named {home.name!r} already, made from another folder; "
            "give another --folder, or rename the experiment"
        ) from None
    return study


def _enqueue(experiment: Searchable, study: optuna.Study, sampler: str | None, trials: int | None) -> int | None:
    """Enqueue the alternatives' own defaults, or the points of a grid; return how many trials there will be at most."""
    first = list(islice(grid(experiment) if sampler == "grid" else defaults(experiment), trials))
    for params in first:
        study.enqueue_trial(params)
    return len(first) if sampler == "grid" else trials


def _record(
    experiment: Searchable,
    home: Path,
    seed: int,
    source_file: Path | None,
    data: DataRecord | None,
    settings: Mapping[str, Value],
) -> StudyRecord:
    return StudyRecord(
        name=home.name,
        experiment=experiment.name,
        experiment_json=experiment.to_json(),
        experiment_hash=experiment.hash,
        objective=experiment.objective,
        maximize=experiment.maximize is not None,
        searched=searched(experiment),
        shared=shared(experiment),
        seed=seed,
        folder=home,
        source_file=source_file,
        data=data,
        settings=settings,
        versions=versions_of(experiment),
        platform=platform_now(),
    )


def _summary(ledger: Ledger, home: Path, finished: Finished, register: str | None) -> Summary:
    best = ledger.best
    programs = [home / name for name in finished.programs]
    return Summary(
        counts=ledger.snapshot(None).counts,
        best=best.trial.number if best else None,
        best_value=best.value if best else None,
        weights=home / WEIGHTS if best else None,
        program=programs[0] if programs else None,
        register=register,
        metrics=finished.metrics,
    )


def _why_none(study: Study) -> str:
    if not study.trials:
        return f"no trial of {study.name} was started before the timeout; raise it"
    kinds = Counter((result.state, result.why) for result in study.trials)
    states = ", ".join(f"{count} {state}" for state, count in study.counts().items() if count)
    (state, why), _ = kinds.most_common(1)[0]
    first = next(result.trial.number for result in study.trials if (result.state, result.why) == (state, why))
    advice = "; lower the upper end of the learning rate's range" if state is State.DIVERGED else ""
    return (
        f"no trial of {study.name} completed ({states}); "
        f"the most frequent reason, first in trial {first}: {why}{advice}"
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna's own log lines out of the way; tunelab shows the progress."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
