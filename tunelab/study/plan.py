"""What is to be done for one study."""

from dataclasses import dataclass
from pathlib import Path

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tunelab.executors.by_name import Place
from tunelab.searchable import Searchable
from tunelab.study.joined import Joined
from tunelab.study.regime import Regime
from tunelab.study.study_file import StudyFile


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
        place: where trials train.
        source_file: the file that defines the experiment, where there is one.
        other: the study that is joined; None for a study of its own.
        notes: what a person should know of it from the start.
    """

    file: StudyFile
    wanted: Searchable
    experiment: Searchable
    sampler: BaseSampler
    pruner: BasePruner
    regime: Regime
    home: Path
    storage: str | None
    place: Place
    source_file: Path | None
    other: Joined | None = None
    notes: tuple[str, ...] = ()
