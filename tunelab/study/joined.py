"""A study that another engine made, and that this one works on too."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tunelab.credentials import masked
from tunelab.errors import ExperimentError, StoreError, setting, suggestion
from tunelab.searchable import Searchable, json_fields
from tunelab.study.shared_storage import SharedStorage
from tunelab.study.storage import open_shared
from tunelab.study.stored import stored_experiment
from tunelab.trial import DataRecord

EXPERIMENT, HASH = "tunelab.experiment", "tunelab.experiment_hash"
"""What a study searches: without the ranges that were held."""

WRITTEN = "tunelab.written"
"""What the person wrote, before any range was held."""

SEED, DATA = "tunelab.seed", "tunelab.data"


def note(study: optuna.Study, experiment: Searchable, written: Searchable, seed: int, data: DataRecord | None) -> None:
    """Note in a study what another engine must know to join it."""
    study.set_user_attr(WRITTEN, written.to_json())
    study.set_user_attr(SEED, seed)
    study.set_user_attr(DATA, data and data.fingerprint)
    study.set_user_attr(HASH, experiment.hash)
    study.set_user_attr(EXPERIMENT, experiment.to_json())


@dataclass(frozen=True)
class Joined:
    """A study to join.

    Attributes:
        name: its name.
        storage: where it is.
        url: the same place, without its password.
        experiment: what it searches.
        seed: its own, from which every trial's follows.
        data: the fingerprint of its rows, where it has any.
    """

    name: str
    storage: SharedStorage
    url: str
    experiment: Searchable
    seed: int
    data: str | None

    @property
    def sampler_seed(self) -> int:
        """A seed for this engine's sampler: with the study's own, all engines would draw the same points."""
        return int.from_bytes(hashlib.sha256(f"{self.seed} {self.storage.engine}".encode()).digest()[:4])

    def load(self, sampler: BaseSampler, pruner: BasePruner) -> optuna.Study:
        """Return Optuna's side of it."""
        return optuna.load_study(study_name=self.name, storage=self.storage, sampler=sampler, pruner=pruner)

    def check_data(self, data: DataRecord | None) -> None:
        """Raise ExperimentError unless these are the rows that the study trains on."""
        if self.data is not None and (data is None or data.fingerprint != self.data):
            raise ExperimentError(
                f"the study {self.name} in {self.url} trains on other data than {data.source if data else 'none'}: "
                "its rows differ; give the same file or arrays on every machine"
            )


def joined(experiment: Searchable, url: str | None, name: str, *, grid: bool = False, widen: bool = False) -> Joined:
    """Return the study of this name in the storage, if it searches this experiment.

    Args:
        experiment: what the person gave.
        url: the storage's.
        name: the study's.
        grid, widen: whether the person wants what is not a joiner's to decide.

    Raises:
        StoreError: a storage that is not shared or cannot be opened, no such study, or one that tunelab did not make.
        ExperimentError: a study that searches another experiment, or does not say which in a way that can be read; or
            a setting that is not a joiner's to decide.
    """
    if widen:
        raise ExperimentError(
            f"{setting('join', name)}: a study that is joined has its ranges already; leave {setting('widen')} out"
        )
    if grid:
        raise ExperimentError(
            f"{setting('join', name)}: a grid is walked by the engine that laid it; join with another sampler, such as "
            "'random'"
        )
    storage, shown = _shared(url, name), masked(url or "")
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except (KeyError, UnicodeEncodeError):
        names = [each.study_name for each in storage.get_all_studies()]
        raise StoreError(f"the storage {shown} holds no study {name!r} to join; {suggestion(name, names)}") from None
    notes, where = study.user_attrs, f"the study {name} in {shown}"
    if EXPERIMENT not in notes or type(notes.get(SEED)) is not int:
        raise StoreError(
            f"{where} does not say what it searches: tunelab made no such study there, or is "
            "making it this moment; join one that `tunelab run --storage` made"
        )
    try:
        _check_same(experiment, [json_fields(notes[key]) for key in (WRITTEN, EXPERIMENT) if key in notes])
        searched = stored_experiment(notes[EXPERIMENT], experiment)
    except ExperimentError as error:
        raise ExperimentError(f"{where} cannot be joined: {error}") from error
    return Joined(name, storage, shown, searched, notes[SEED], notes.get(DATA))


def _shared(url: str | None, name: str) -> SharedStorage:
    advice = "give the URL of a database that all engines reach, such as postgresql+psycopg://user@host/name"
    if url is None:
        raise StoreError(
            f"{setting('join', name)} needs {setting('storage')}, where the study is; a journal in a study's folder is "
            f"its engine's own: {advice}"
        )
    if url.startswith("sqlite") and (url.endswith("://") or ":memory:" in url):
        raise StoreError(f"the storage {masked(url)} lies in the memory of one process, and cannot be shared; {advice}")
    if "://" not in url:
        raise StoreError(f"the storage {masked(url)} is a file of one engine, and cannot be shared; {advice}")
    return open_shared(url, is_owner=False)


def _check_same(experiment: Searchable, known: Sequence[Mapping[str, Any]]) -> None:
    given = json.loads(experiment.to_json())
    if given not in known:
        others = sorted(key for key in {*given, *known[0]} if given.get(key) != known[0].get(key))
        raise ExperimentError(
            f"it searches another experiment than {experiment.name}: {', '.join(others)} differ; "
            "join it with the file that it was started with, or start a study of this experiment without join"
        )
