"""Search as planned, from the first trial to the last word: workers, Optuna, tracker, and what is kept of the best."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import optuna

from tunelab.contracts import Tracker
from tunelab.errors import AllTrialsFailed, StorageLost, TooManyFailures, TrackingError
from tunelab.study.bounds import at_bounds
from tunelab.study.carried import FROM
from tunelab.study.engine import Budget, Engine
from tunelab.study.engines import Engines
from tunelab.study.journal import OneWriterJournal
from tunelab.study.ledger import Ledger, Snapshot
from tunelab.study.narrow import held
from tunelab.study.optuna_study import opened
from tunelab.study.plan import Plan
from tunelab.study.rounds import Round, Rounds
from tunelab.study.software import platform_now, versions_of
from tunelab.study.study import Study
from tunelab.study.suggest import searched, shared
from tunelab.training.weights_file import WEIGHTS
from tunelab.trial import Ended, Finished, Mirror, Progress, Result, State, StudyRecord, Summary


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
        worker = cleanup.enter_context(plan.place.team(regime.work(home, file.limits), workers))
        if known is None:
            worker.start()
        study, trials = opened(plan)
        mirror.begin(_record(plan, trials), time.time())

        def settle(result: Result, ended: Ended, is_best: bool) -> None:
            regime.settle(home, result, ended, is_best=is_best)

        engines, rounds = Engines(study), Rounds(home)

        def remember(progress: Progress, at: float) -> None:
            rounds.append(progress, at)
            engines.look_at_times()

        prunes = not isinstance(plan.pruner, optuna.pruners.NopPruner)
        engine = Engine(
            experiment,
            study,
            worker,
            mirror,
            Budget(trials, timeout, *regime.pace(prunes=prunes), workers, file.trial_timeout, file.max_failures),
            seed,
            watch,
            settle,
            remember,
        )
        ledger, finished = engine.ledger, Finished()

        try:
            if known is not None:
                with _past(study, ledger):
                    engine.replay(known)
            engine.run()
            with suppress(StorageLost):  # the trials of others can wait
                engines.look()
            if ledger.best is not None:
                finished = regime.finish(home, ledger.best.trial, worker, export=mirror.keeps_models)
        except BaseException as error:
            engine.interrupt("interrupted by a signal" if isinstance(error, KeyboardInterrupt) else str(error))
            worker.close()  # nothing trains on while MLflow is completed
            with suppress(TrackingError, StorageLost):  # the cause is what a person must hear of
                shown = mirror.finish(_summary(ledger, home, finished, None), time.time())
                if shown.incomplete:
                    error.add_note(shown.incomplete)
                if isinstance(error, AllTrialsFailed | TooManyFailures):
                    error.study = _found(plan, engine, study, trials, finished, shown)
            raise
        mirror.watched_by(lambda count: watch(replace(ledger.snapshot(trials), shown=count)))
        shown = mirror.finish(_summary(ledger, home, finished, register), time.time())
    replace(file, finished=True).save(home)
    found = _found(plan, engine, study, trials, finished, shown)
    if found.best is None:
        raise AllTrialsFailed(_why_none(found), found)
    if register and shown.registered is None and shown.incomplete is None:
        why = "; ".join((*finished.notes, *shown.notes))
        raise TrackingError(f"the best trial of {home.name} is not registered as {register!r}: {why}; it is in {home}")
    return found


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


def _record(plan: Plan, trials: int | None) -> StudyRecord:
    file, experiment = plan.file, plan.experiment
    settings = {"trials": trials, "timeout": file.timeout, "seed": file.seed, "population": file.population,
                "sampler": type(plan.sampler).__name__, "pruner": type(plan.pruner).__name__,
                "search": file.search, "workers": file.workers}  # fmt: skip
    others = {"joined": file.joined, "extends": file.extends}
    return StudyRecord(
        name=plan.home.name,
        experiment=experiment.name,
        experiment_json=experiment.to_json(),
        experiment_hash=experiment.hash,
        objective=experiment.objective,
        maximize=experiment.maximize is not None,
        searched=searched(experiment),
        shared=shared(experiment),
        seed=file.seed,
        folder=plan.home,
        source_file=plan.source_file,
        data=plan.regime.data,
        settings=settings | {name: study for name, study in others.items() if study},
        versions=versions_of(experiment),
        platform=platform_now(),
    )


def _found(
    plan: Plan, engine: Engine, study: optuna.Study, trials: int | None, finished: Finished, shown: Mirror
) -> Study:
    ledger, home = engine.ledger, plan.home
    return Study(
        name=home.name,
        experiment=plan.experiment,
        folder=home,
        trials=tuple(ledger.results[number] for number in sorted(ledger.results)),
        best=ledger.best and replace(ledger.best, loader=plan.regime.loader(home, ledger.best.trial)),
        progress=ledger.snapshot(trials),
        first_trial_s=ledger.first_seconds,
        test=finished.metrics,
        mirror=shown,
        optuna=study,
        held=held(plan.wanted, plan.experiment),
        at_bounds=at_bounds(plan.experiment, study),
        notes=(*plan.notes, *engine.notes, *finished.notes, *_said(shown), *_better_before(ledger, study)),
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


def _said(shown: Mirror) -> tuple[str, ...]:
    return (*shown.notes, shown.incomplete) if shown.incomplete else shown.notes


def _better_before(ledger: Ledger, study: optuna.Study) -> Iterator[str]:
    """Yield which of the trials that were carried over is better than all of this study."""
    if ledger.best is None or ledger.best.value is None:
        return
    best = study.best_trial
    if FROM in best.user_attrs and best.value != ledger.best.value:
        yield f"{best.user_attrs[FROM]}, which was carried over, is better than all of these: {best.value:.6g}"


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
