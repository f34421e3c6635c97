"""What goes between the engine, its workers and its tracker: small frozen records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tunelab.errors import RunError

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
        weights: what is kept of it, by name: trained parameters, and a module's buffers; sent only when this trial is
            the best its worker has seen.
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
        loader: returns its trained model, if that is kept.
    """

    trial: Trial
    state: State
    value: float | None
    reason: str | None
    curves: Mapping[str, Curve]
    started: float
    seconds: float
    loader: Callable[[], Any] | None = field(default=None, compare=False, repr=False)

    def load(self) -> Any:
        """Return what the trial trained: a `torch.nn.Module` in evaluation mode, or else a `TrainedModel`.

        Raises:
            RunError: it is not kept; of a study, that of the best trial alone is: `study.best.load()`.
        """
        if self.loader is None:
            raise RunError(
                f"the model of trial {self.trial.number} is not kept: a study keeps that of its best trial, which "
                "study.best.load() returns; what a loop trains is kept by its own trial.checkpoint"
            )
        model = self.loader()
        return model.module() if model.is_module else model

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
        versions: of Python, tunelab, what computes, and the distributions that brought the plugins, by name.
        platform: what else decides how a number is rounded: system, processor, linear algebra.
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
    versions: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A study's end, as its tracker is told of it.

    Attributes:
        counts: trials in each state.
        best: the best complete trial's number, if any.
        best_value: its objective.
        weights: the best trial's trained model (`.safetensors`), where one was kept.
        program: the same as a PyTorch program, where it is a module.
        register: the name under which that model is to be registered, if at all.
        metrics: what is logged on the study itself: `best_value`, `test_loss`, ...
    """

    counts: Mapping[State, int]
    best: int | None = None
    best_value: float | None = None
    weights: "Path | None" = None
    program: "Path | None" = None
    register: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a tracker shows a study.

    Attributes:
        experiment_id, run_id: the tracker's identifiers of the experiment and of the study's parent run.
        runs: trial number to run identifier.
        url: the page that compares the trials, or the command that opens it.
        registered: where the best trial's model is registered, if it is: `models:/digits/3`.
        notes: what could not be shown, in words.
        incomplete: why it does not show all of the study yet, and what to do; None where it does.
    """

    experiment_id: str | None = None
    run_id: str | None = None
    runs: Mapping[int, str] = field(default_factory=dict)
    url: str | None = None
    registered: str | None = None
    notes: tuple[str, ...] = ()
    incomplete: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The last order of a study: what is to be done with its best trial.

    Attributes:
        trial: the best one.
        weights: what was kept of it (`Ended.weights`).
        export: whether a module is to become a program, which runs without the code that made it.
    """

    trial: Trial
    weights: "Mapping[str, np.ndarray]"
    export: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of the last order.

    Attributes:
        metrics: the best trial's on the test part: `test_loss`, ...
        programs: the module as a program: bytes by the name of the file that is to hold them.
        notes: what could not be done, in words.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    programs: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may take before it has failed.

    Attributes:
        seconds: of training between two reports; None for no limit.
        memory: what its worker's process may hold, as it was said: `2GB`; None for no limit.
    """

    seconds: float | None = None
    memory: str | None = None


FREE = Limits()
"""None at all."""


@dataclass(frozen=True, slots=True)
class Going:
    """A trial that another worker had before.

    Attributes:
        trial: the trial.
        epoch: epochs that it had finished in its place; None where it waited for one.
        apart: whether it trains alone (`Progress.apart`).
        spared: whether it was spared (`Progress.spared`).
    """

    trial: Trial
    epoch: int | None
    apart: bool = False
    spared: bool = False


@dataclass(frozen=True, slots=True)
class Hung:
    """Trials that trained when their worker did not come to its next report in time, and was ended.

    Attributes:
        trials: one, whose fault it was; or several that trained together, of which nobody knows whose.
        reason: how long it took, and where it was.
    """

    trials: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Orders:
    """What the engine tells a worker before one round of training.

    Attributes:
        start: trials to admit.
        stop: running or waiting trials to end as pruned.
        finish: what to do at the end; nothing is trained then.
        going: trials to take up where they were, before anything else. Their first epochs are not reported again.
        hung: for which earlier workers were ended in this round: one that was alone has failed, those that were
            together go on apart.
        alone: trials whose networks earlier workers found to train alone, and why (`Progress.alone`).
    """

    start: tuple[Trial, ...] = ()
    stop: tuple[int, ...] = ()
    finish: Finish | None = None
    going: tuple[Going, ...] = ()
    hung: tuple[Hung, ...] = ()
    alone: tuple[tuple[Trial, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker tells the engine after one round of training: one epoch of one population.

    Attributes:
        began: trials that took their place in this round.
        reports: one for every member that finished its epoch.
        ended: members that left.
        again: trials that had a place and wait for one again, to start from the beginning.
        apart: trials that train alone from this round on, whomever they could train with.
        spared: trials that ran out of memory in this round, and may try once more.
        alone: trials by whose networks it was found in this round that members cannot train together, and why.
        members: members that trained in this round.
        capacity: places that their population had.
        work: what the round was worth beside other rounds: counted, so that it is the same on any machine.
        seconds: wall time of the round.
        notes: what a person should know of how trials train, each said once.
        finished: the answer to the last order.
    """

    began: tuple[int, ...] = ()
    reports: tuple[Report, ...] = ()
    ended: tuple[Ended, ...] = ()
    again: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()
    spared: tuple[int, ...] = ()
    alone: tuple[tuple[int, str], ...] = ()
    members: int = 0
    capacity: int = 0
    work: float = 0.0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    finished: Finished | None = None


def _first_line(text: str | None) -> str | None:
    return text if text is None else text.partition("\n")[0]
