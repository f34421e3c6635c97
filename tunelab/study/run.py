"""Run a study: what was asked for is checked, and planned."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tunelab.contracts import Tracker
from tunelab.credentials import masked
from tunelab.errors import ExperimentError, setting
from tunelab.executors.by_name import Where, check_memory, place
from tunelab.searchable import Searchable
from tunelab.study.carried import save
from tunelab.study.extend import extension, trials_before
from tunelab.study.folder import held, new_folder
from tunelab.study.joined import joined
from tunelab.study.ledger import Snapshot
from tunelab.study.narrow import SearchMode, narrowed
from tunelab.study.plan import Plan
from tunelab.study.pruners import Pruner, pruner_of
from tunelab.study.regime import Regime
from tunelab.study.regimes import regime_of
from tunelab.study.samplers import Sampler, sampler_of, sampler_seed
from tunelab.study.search import search_by
from tunelab.study.study import Study
from tunelab.study.study_file import EXPERIMENT, StudyFile
from tunelab.study.widen import widened
from tunelab.tracking.mlflow_tracker import MLflowTracker

FOLDER = Path("studies")
"""Where studies keep their files, below the folder in which one is run."""

MAX_FAILURES = 50
"""Trials that may fail in a row unless one says otherwise: what fails every time is not worth the night."""

SECONDS = {"timeout", "trial_timeout"}
"""The settings that need not be whole numbers."""


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
    executor: Where = "process",
    workers: int | None = None,
    search: SearchMode = "auto",
    widen: bool = False,
    extend: str | None = None,
    trial_timeout: float | None = None,
    worker_memory: str | None = None,
    max_failures: int | None = MAX_FAILURES,
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
        executor: train in worker processes, `inline` in this one, or on a cluster: `ray`, or `Ray(gpus=1)`.
        workers: processes that train, in an order that no clock decides; by default one for each core but the one that
            this process needs; on a cluster, as many as it has room for.
        search: `auto` fixes the ranges that a plugin brings, and that so few trials are too few for, at its defaults
            (`study.held`); `all` searches them too. Without a number of trials all are searched; a grid is laid over
            what is searched.
        widen: search further where the last study of this experiment in the folder had its best trial at a bound.
        extend: an earlier study in the folder, whose trials this one begins with: those that could have been its own.
            `trials` are added to them.
        trial_timeout: seconds that a trial may train, its population with it; then it is stopped at its next report
            and has failed. The others go on.
        worker_memory: what each worker's process may hold, as `2GB`: Python, libraries, data and what trains. A trial
            that needs more has failed, and the others go on. On Linux; not with `inline`, which trains in this process.
        max_failures: so many failed trials in a row end the study; it can be resumed. None or 0 for any number.
        register: the name under which the best trial's model is registered in MLflow.
        folder: where the study's folder is made.
        source_file: the Python file that defines the experiment, kept with the study.
        source: by which `FILE:NAME` a command line finds the experiment again, to resume the study.
        watch: called with the progress, at the start, after every round of training, and while MLflow is waited for.

    Raises:
        InputError: the experiment, its data, a store or a setting is wrong; nothing was trained.
        AllTrialsFailed: no trial completed; its `study` holds them.
        TooManyFailures: `max_failures` of them failed in a row; its `study` holds what ended.
        KeyboardInterrupt: after Ctrl-C; what is finished is kept, what ran is marked as interrupted.

    >>> from tunelab import Experiment
    >>> from tunelab.models import Quadratic
    >>> from tunelab.tracking import MemoryTracker
    >>> experiment = Experiment(name="bowl", model=Quadratic(), optimizer="sgd", epochs=1, steps_per_epoch=10)
    >>> study = run(experiment, trials=3, executor="inline", tracker=MemoryTracker(), folder=getfixture("tmp_path"))
    >>> len(study.trials)
    3
    """
    numbers = {"trials": trials, "timeout": timeout, "population": population, "workers": workers}
    _check_settings(numbers | {"trial_timeout": trial_timeout, "max_failures": max_failures or None}, seed)
    where = place(executor)
    check_memory(where, worker_memory)
    if extend is not None and join is not None:
        raise ExperimentError(
            f"{setting('extend', extend)}: a study that is joined has its trials already; leave one out, this or "
            f"{setting('join')}"
        )
    workers = where.workers(workers)
    other = None if join is None else joined(experiment, storage, join, grid=sampler == "grid", widen=widen)
    if other:
        experiment = wanted = other.experiment
        seed = other.seed
    else:
        wanted = widened(experiment, Path(folder), storage).experiment if widen else experiment
        before = trials_before(Path(folder) / extend, storage) if extend else 0
        experiment = narrowed(wanted, trials and trials + before, search)
    chosen_sampler = sampler_of(sampler, other.sampler_seed if other else sampler_seed(seed, extend))
    chosen_pruner = pruner_of(pruner)
    regime = regime_of(experiment, population)
    data = regime.data.fingerprint if regime.data else None
    if other:
        other.check_data(regime.data)
    earlier = None if extend is None else extension(experiment, Path(folder) / extend, storage, data)
    mirror = tracker if tracker is not None else MLflowTracker(tracking_uri)
    if register is not None:
        _check_register(register, regime, mirror)
    home = new_folder(Path(folder), experiment.name)
    file = StudyFile(
        wanted.to_json(), source, trials, timeout, seed, population, _name(sampler), _name(pruner), search, register,
        workers, storage and masked(storage), joined=join, data=data, extends=extend, trial_timeout=trial_timeout,
        max_failures=max_failures or None, worker_memory=worker_memory,
    )  # fmt: skip
    file.save(home)
    (home / EXPERIMENT).write_text(experiment.to_json())
    if earlier:
        save(home, earlier.carried)
    plan = Plan(
        file,
        wanted,
        experiment,
        chosen_sampler,
        chosen_pruner,
        regime,
        home,
        storage,
        where,
        source_file,
        other,
        tuple(earlier.lines()) if earlier else (),
    )
    with held(home):
        return search_by(plan, mirror, watch)


def _name(given: Sampler | Pruner) -> str | None:
    return given if isinstance(given, str) else None


def _check_settings(numbers: Mapping[str, float | None], seed: int) -> None:
    if numbers["trials"] is None and numbers["timeout"] is None:
        raise ExperimentError("give a number of trials, a timeout, or both; with neither a study would never end")
    for name, value in numbers.items():
        kind, wanted = (int | float, "a number") if name in SECONDS else (int, "a whole number")
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not value > 0):
            or_never = ", or 0 for any number" if name == "max_failures" else ""
            raise ExperimentError(f"{setting(name)} must be {wanted} above 0{or_never}, was {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ExperimentError(f"{setting('seed')} must be a whole number from 0 to 2**32 - 1, was {seed!r}")


def _check_register(name: str, regime: Regime, tracker: Tracker) -> None:
    if not regime.keeps_models:
        raise ExperimentError(
            f"{setting('register', name)}: a loop keeps, and may register, its own models; leave it out"
        )
    tracker.check_name(name)
