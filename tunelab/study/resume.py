"""Go on with a study that was cut off: by a crash, a reboot or Ctrl-C."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna

from tunelab.contracts import Tracker
from tunelab.errors import ExperimentError
from tunelab.executors.by_name import Where, check_memory, place
from tunelab.experiments import Experiment
from tunelab.loop import Loop
from tunelab.searchable import Searchable, json_fields
from tunelab.study.engines import other_engines
from tunelab.study.folder import folders, held
from tunelab.study.ledger import Snapshot
from tunelab.study.plan import Plan
from tunelab.study.pruners import Pruner, pruner_of
from tunelab.study.regimes import regime_of
from tunelab.study.rounds import ROUNDS, Rounds
from tunelab.study.samplers import Sampler, sampler_of, sampler_seed
from tunelab.study.search import search_by
from tunelab.study.storage import JOURNAL, open_storage
from tunelab.study.study import Study
from tunelab.study.study_file import StudyFile, searched_json
from tunelab.tracking.mlflow_tracker import MLflowTracker
from tunelab.trial import DataRecord


def resume(
    folder: Path | str,
    experiment: Searchable | None = None,
    *,
    sampler: Sampler | None = None,
    pruner: Pruner | None = None,
    storage: str | None = None,
    tracker: Tracker | None = None,
    tracking_uri: str | None = None,
    executor: Where = "process",
    source_file: Path | None = None,
    watch: Callable[[Snapshot], None] = lambda _: None,
) -> Study:
    """Go on with a study, and return what was found: the same as if it had never been cut off.

    What workers answered is known round by round. So the engine asks, tells and orders all that it did before once
    more, which takes a millisecond a trial, and nobody trains it. Optuna's study is written down anew on the way, with
    the old times. Trials that ran go on from their last checkpoint, or from their start where there is none; on NumPy
    they end bit for bit as they would have. No trial that ended runs again.

    Args:
        folder: the study's: `studies/digits-3`.
        experiment: the same as then, where it cannot be read from its JSON: data of one's own, a loop, a function.
        sampler, pruner: of one's own, as they were made then; those that have a name are known.
        storage: the Optuna URL, where it has a password, which is not kept.
        tracker, tracking_uri, executor, source_file, watch: as for `run`.

    Raises:
        InputError: no such study, one that has ended or is running, one whose experiment cannot be had, or whose data
            have changed.
        AllTrialsFailed, KeyboardInterrupt: as for `run`.
    """
    home = Path(folder)
    file = StudyFile.load(home)
    if file.finished:
        raise ExperimentError(
            f"{home.name} has ended, so there is nothing to resume; for more trials: "
            f"tunelab run FILE --extend {home.name}"
        )
    where = place(executor)
    check_memory(where, file.worker_memory)
    searched = experiment_of(home, experiment)
    wanted = _restored(experiment, file.wanted, home)
    made = sampler_of(_given(sampler, file.sampler, "sampler", home), sampler_seed(file.seed, file.extends))
    judge = pruner_of(_given(pruner, file.pruner, "pruner", home))
    url = _url(storage, file.storage, home)
    with held(home):
        _check_own(home, file, url)
        known = tuple(Rounds(home).known())
        regime = regime_of(searched, file.population)
        _check_data(home, file.data, regime.data)
        notes = _changes(experiment, home)
        plan = Plan(file, wanted, searched, made, judge, regime, home, url, where, source_file, notes=notes)
        _forget(home, url)
        mirror = tracker if tracker is not None else MLflowTracker(tracking_uri)
        return search_by(plan, mirror, watch, known)


def last_unfinished(root: Path, experiment: str) -> Path:
    """Return the folder of an experiment's last study that has not ended.

    Raises:
        ExperimentError: all have, or there is none.
    """
    known = [home for home in folders(root, experiment) if (home / ROUNDS).exists()]  # others never began to train
    for home in known:
        if not StudyFile.load(home).finished:
            return home
    have = f"the last, {known[0].name}, has ended" if known else f"{root} has no study of it"
    raise ExperimentError(
        f"no study of {experiment} is unfinished: {have}; run it without --resume, or name another --folder"
    )


def experiment_of(home: Path, given: Searchable | None) -> Searchable:
    """Return what a study searches.

    Args:
        home: its folder.
        given: the experiment, where not all of it is in its JSON.

    Raises:
        StoreError: a folder in which it is damaged.
        ExperimentError: one that cannot be had from there, or another's that is given.
    """
    text = searched_json(home)
    found = _restored(given, text, home)
    if given is not None and given.name != found.name:
        raise ExperimentError(
            f"{home.name} is a study of {found.name}, and {given.name} was given; give the one that it began with"
        )
    return found


def _changes(given: Searchable | None, home: Path) -> tuple[str, ...]:
    """Return what is to be said of a loop whose function is another than it was when the study began."""
    if isinstance(given, Loop) and given.source != json_fields(searched_json(home)).get("source"):
        return (f"the function of {given.name} has changed since {home.name} began: compare its trials with care",)
    return ()


def _restored(experiment: Searchable | None, text: str, home: Path) -> Searchable:
    try:
        found = Experiment.from_json(text) if experiment is None else experiment.restored(text)
        found.nodes  # noqa: B018 - raises what cannot be had
    except ExperimentError as error:
        raise ExperimentError(
            f"the experiment of {home.name} cannot be read from its JSON ({error}); "
            f"give it: resume({str(home)!r}, experiment), or --file FILE[:NAME]"
        ) from error
    return found


def _given(given: Any, name: str | None, what: str, home: Path) -> Any:
    if given is not None:
        return given
    if name is None:
        raise ExperimentError(
            f"{home.name} was run with a {what} that has no name; give it as it was made then: "
            f"resume({str(home)!r}, {what}=...)"
        )
    return name


def _url(given: str | None, kept: str | None, home: Path) -> str | None:
    if given is None and kept is not None and "***" in kept:
        raise ExperimentError(
            f"{home.name} is kept in {kept}, whose secrets are not kept; give the URL: storage=... (--storage URL)"
        )
    return given or kept


def _check_data(home: Path, begun_on: str | None, now: DataRecord | None) -> None:
    """Refuse to train the rest of a study on other rows than its first trials."""
    if begun_on is not None and (now is None or now.fingerprint != begun_on):
        raise ExperimentError(
            f"{home.name} was begun on other data than {now.source if now else 'none'} holds now: its rows differ, and "
            "the study's trials would not be comparable; bring the data back as they were, or run the experiment anew"
        )


def _check_own(home: Path, file: StudyFile, url: str | None) -> None:
    """Refuse to write a study anew that other engines have a part in."""
    shared = file.joined
    if shared is None and url is not None:
        with suppress(KeyError):
            study = optuna.load_study(study_name=home.name, storage=open_storage(url, home))
            shared = home.name if other_engines(study) else None
    if shared is not None:
        raise ExperimentError(
            f"{home.name} cannot be resumed: other engines work on the study {shared} too, whose trials would be lost; "
            f"join it: tunelab run FILE --storage URL --join {shared}"
        )


def _forget(home: Path, url: str | None) -> None:
    """Remove what Optuna has of the study: it is written anew from what is known, with what was lost in the end."""
    if url is None:
        (home / JOURNAL).unlink(missing_ok=True)
        return
    with suppress(KeyError):
        optuna.delete_study(study_name=home.name, storage=open_storage(url, home))
