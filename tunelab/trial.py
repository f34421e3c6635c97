"""What goes between the engine, its workers and its tracker: small frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from tunelab.checkpoint import Checkpoint

Value = str | int | float | bool | None
"""One hyperparameter's value."""


STOPPED = "stopped by the pruner"
"""The reason of a trial that was pruned."""

OBJECTIVE = "objective"
"""What MLflow shows a complete trial's value as: no metric of a loop may be called so."""

COLUMNS = ("trial", "state", "value", "reason", "seed", "seconds", "mlflow_run_id")
"""What a study's frame says of a trial before its hyperparameters and metrics: no hyperparameter may be called so."""


class State(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial, before it trains: all that its curve depends on beside the experiment.

    Attributes:
        number: its place in the study, from 0, as Optuna counts.
        seed: decides initial weights, batch order and dropout.
        params: flat hyperparameters, fixed and searched alike: `optimizer`, `optimizer.lr`, `batch_size`, ...
        checkpoint: where a training loop of a person's own saves what it must not lose.
    """

    number: int
    seed: int
    params: Mapping[str, Value]
    checkpoint: "Checkpoint | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """A trial's metrics after one epoch.

    Attributes:
        trial: the trial's number.
        epoch: epochs trained so far, from 1.
        step: optimizer steps taken so far.
        metrics: `train_loss`, `val_accuracy`, `lr`, ...
    """

    trial: int
    epoch: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial's end, as its worker saw it.

    Attributes:
        trial: the trial's number.
        state: how it ended.
        reason: one sentence, for every state but complete; of a loop that raised, followed by its traceback.
        epoch, step: where it ended.
        weights: the trained parameters by name, sent only when this trial is the best its worker has seen.
    """

    trial: int
    state: State
    epoch: int
    step: int
    reason: str | None = None
    weights: "Mapping[str, np.ndarray] | None" = None

    @property
    def why(self) -> str | None:
        """The first line of the reason."""
        return _first_line(self.reason)


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one trial over its epochs."""

    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A trial after it ended: what Optuna was told and what MLflow shows.

    Attributes:
        value: the objective at the last epoch; None unless the trial is complete.
        reason: why it ended as it did, for every state but complete; of a loop that raised, with the traceback.
        curves: every reported metric over the epochs.
        started, seconds: wall-clock start (Unix seconds) and duration.
    """

    trial: Trial
    state: State
    value: float | None
    reason: str | None
    curves: Mapping[str, Curve]
    started: float
    seconds: float

    @property
    def why(self) -> str | None:
        """The first line of the reason."""
        return _first_line(self.reason)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of every curve."""
        return {name: curve.values[-1] for name, curve in self.curves.items() if curve.values}


@dataclass(frozen=True, slots=True)
class DataRecord:
    """What a tracker says of the data: name, source, content hash, and what the columns are.

    Attributes:
        fingerprint: SHA-256 of the arrays, in hexadecimal.
        rows: rows in each part: `{"train": 1437, "validation": 360, "test": 0}`.
        features: inputs a row.
        targets: `"classes"` or `"values"`.
        outputs: classes, or values a row.
    """

    name: str
    source: str
    fingerprint: str
    rows: Mapping[str, int]
    features: int
    targets: str
    outputs: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study, as its tracker is told of it before the first trial.

    Attributes:
        name: unique in its storage and the name of its folder: `digits-3`.
        experiment: the experiment's name, under which studies are compared.
        experiment_json: the experiment as JSON.
        experiment_hash: SHA-256 of that JSON, in hexadecimal.
        objective: the metric that is optimised.
        maximize: whether more of it is better.
        searched: names of the flat hyperparameters that vary.
        shared: those of them that every trial has, whichever alternatives it drew: the axes on which all compare.
        folder: where the study keeps its files.
        source_file: the Python file that defines the experiment, where there is one.
        data: None for a function that is minimised without data.
    """

    name: str
    experiment: str
    experiment_json: str
    experiment_hash: str
    objective: str
    maximize: bool
    searched: tuple[str, ...]
    shared: tuple[str, ...]
    seed: int
    folder: "Path"
    source_file: "Path | None" = None
    data: DataRecord | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """A study's end, as its tracker is told of it.

    Attributes:
        counts: trials in each state.
        best: the best complete trial's number, if any.
        best_value: its objective.
        weights: the best trial's trained model (`.npz`), where one was kept.
        metrics: what is logged on the study itself: `best_value`, `test_loss`, ...
    """

    counts: Mapping[State, int]
    best: int | None = None
    best_value: float | None = None
    weights: "Path | None" = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a tracker shows a study.

    Attributes:
        experiment_id, run_id: the tracker's identifiers of the experiment and of the study's parent run.
        runs: trial number to run identifier.
        url: the page that compares the trials, or the command that opens it.
    """

    experiment_id: str | None = None
    run_id: str | None = None
    runs: Mapping[int, str] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """What the engine tells a worker before one round of training.

    Attributes:
        start: trials to admit.
        stop: running or waiting trials to end as pruned.
    """

    start: tuple[Trial, ...] = ()
    stop: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker tells the engine after one round of training: one epoch of one population.

    Attributes:
        began: trials that took their place in this round.
        reports: one for every member that finished its epoch.
        ended: members that left.
        members: members that trained in this round.
        capacity: places that their population had.
        seconds: wall time of the round.
        notes: what a person should know of how trials train, each said once.
    """

    began: tuple[int, ...] = ()
    reports: tuple[Report, ...] = ()
    ended: tuple[Ended, ...] = ()
    members: int = 0
    capacity: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def _first_line(text: str | None) -> str | None:
    return text if text is None else text.partition("\n")[0]
