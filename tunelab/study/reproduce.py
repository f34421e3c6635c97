"""Train a trial of MLflow's again, alone, and say whether it comes out as it did."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tunelab.contracts import Work
from tunelab.errors import ExperimentError, TunelabError
from tunelab.executors.inline import InlineExecutor
from tunelab.loop import Loop
from tunelab.searchable import Searchable, json_fields
from tunelab.study.changes import Change, changes
from tunelab.study.compare import Comparison, compare
from tunelab.study.recorded_suggest import RecordedSuggest
from tunelab.study.regimes import regime_of
from tunelab.study.stored import kind_of, stored_experiment
from tunelab.tracking.mlflow_names import accepted_keys
from tunelab.tracking.recorded import RecordedTrial, recorded_trial
from tunelab.trial import FREE, OBJECTIVE, Curve, Ended, Orders, Report, State, Trial, Value

TOLERANCE = 1e-4
"""How far apart two values may be, relatively, where what computes does not give the same bits each time."""

_CUT_SHORT = frozenset({State.PRUNED, State.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A trial that was trained again.

    Attributes:
        trial: what was recorded of it.
        curves: its curves now, as far as they were recorded.
        comparisons: each metric's, point by point.
        ended: how it ended otherwise than before, in words; None if it did not.
        changes: what is not as it was when the trial was recorded, whether that made a difference or not.
        tolerance: how far apart two values may be, relatively; 0 where every bit counts.
        seconds: what training it took.
    """

    trial: RecordedTrial
    curves: dict[str, Curve]
    comparisons: tuple[Comparison, ...]
    ended: str | None
    changes: tuple[Change, ...]
    tolerance: float
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether it came out as it did before."""
        return self.ended is None and not any(each.differing for each in self.comparisons)

    @property
    def exact(self) -> bool:
        """Whether that is so to the last bit."""
        return self.ended is None and not any(each.largest for each in self.comparisons)


def reproduce(run_id: str, *, experiment: Searchable | None = None, tracking_uri: str | None = None) -> Reproduction:
    """Train one trial again from what MLflow holds of it, alone and in this process, and compare its curves.

    On NumPy every bit is compared; on PyTorch, and of a training loop of a person's own, values may be 1e-4 apart,
    relatively. A trial that was pruned or interrupted is trained as far as its curves reach.

    Args:
        run_id: of the trial's run.
        experiment: what the study searched, where MLflow cannot hold all of it: arrays, PyTorch's data, functions
            that cannot be imported by name. What else was recorded of it goes first.
        tracking_uri: MLflow's; by default `MLFLOW_TRACKING_URI`, else `mlflow.db` in the present folder.

    Raises:
        StoreError: no such store or run.
        ExperimentError: a run that is no trial of tunelab's, or what cannot be rebuilt.
        InputError: data that are gone, a plugin that is not installed.

    >>> from tunelab import Experiment
    >>> from tunelab.models import Quadratic
    >>> folder = getfixture("tmp_path")
    >>> experiment = Experiment(name="bowl", model=Quadratic(), optimizer="sgd", epochs=2, steps_per_epoch=10)
    >>> store = f"sqlite:///{folder}/mlflow.db"
    >>> study = experiment.run(trials=3, executor="inline", tracking_uri=store, folder=folder)
    >>> again = reproduce(study.mirror.runs[1], tracking_uri=store)
    >>> again.equal, again.exact, again.changes
    (True, True, ())
    """
    recorded = recorded_trial(run_id, tracking_uri)
    return trained_again(recorded, rebuilt(recorded, experiment))


def rebuilt(recorded: RecordedTrial, given: Searchable | None = None) -> Searchable:
    """Return the experiment of a recorded trial; what its JSON does not hold is taken from `given`.

    Raises:
        ExperimentError: what cannot be rebuilt without, or with, what was given.
    """
    fields = json_fields(recorded.experiment_json)
    kind = kind_of(fields)
    if given is not None and (not isinstance(given, kind) or given.name != fields.get("name")):
        raise ExperimentError(
            f"{recorded.title} is of the {'loop' if kind is Loop else 'experiment'} {fields.get('name')!r}, and "
            f"{getattr(given, 'name', given)!r}, a {type(given).__name__}, was given"
        )
    try:
        return stored_experiment(recorded.experiment_json, given)
    except TunelabError as error:
        source = "MLflow alone" if given is None else "MLflow and what was given"
        by_name = f"of a loop it holds no more than the name, {fields.get('function')!r}"
        why = by_name if kind is Loop and given is None else error
        raise ExperimentError(
            f"{recorded.title} cannot be rebuilt from {source}: {why}. "
            f"Give the file that defines it{_where_it_is(recorded)}: tunelab reproduce {recorded.run_id} "
            "--file FILE[:NAME] (from Python: experiment=...)"
        ) from error


def _where_it_is(recorded: RecordedTrial) -> str:
    """Return where the file is, as far as is known: it is not run by itself, since the record chose it."""
    if recorded.source_file is not None and recorded.source_file.is_file():
        return f", if you trust it (the record names {recorded.source_file})"
    return f" (a copy is in MLflow, with the run {recorded.study_run})" if recorded.source is not None else ""


def trained_again(recorded: RecordedTrial, experiment: Searchable) -> Reproduction:
    """Train a recorded trial again, alone and in this process, and compare its curves.

    Raises:
        ExperimentError: a trial without a curve to compare, or hyperparameters that the experiment does not have.
        InputError: data that are gone, or that cannot be trained on any more.
    """
    if recorded.state in _CUT_SHORT and not recorded.epochs:
        raise ExperimentError(
            f"{recorded.title} was {recorded.state} before its first epoch ended: it has no curve to compare; "
            "choose another trial"
        )
    params = _drawn(recorded, experiment)
    is_loop = isinstance(experiment, Loop)
    regime = regime_of(experiment, None if is_loop else 1)
    began = time.perf_counter()
    with TemporaryDirectory() as home:
        curves, ended = _train(recorded, params, regime.work(Path(home), FREE), experiment.objective)
    tolerance = TOLERANCE if is_loop or getattr(experiment, "backend", "numpy") != "numpy" else 0.0
    return Reproduction(
        trial=recorded,
        curves=curves,
        comparisons=compare(recorded.curves, curves, tolerance),
        ended=_otherwise(recorded, ended),
        changes=changes(recorded, experiment, params, regime.data.fingerprint if regime.data else None),
        tolerance=tolerance,
        seconds=time.perf_counter() - began,
    )


def _drawn(recorded: RecordedTrial, experiment: Searchable) -> dict[str, Value]:
    try:
        return experiment.draw(RecordedSuggest(recorded.params))
    except ExperimentError as error:
        raise ExperimentError(f"{recorded.title} cannot be rebuilt: {error}") from error


def _train(
    recorded: RecordedTrial, params: dict[str, Value], work: Work, objective: str
) -> tuple[dict[str, Curve], Ended | None]:
    """Return the curves, as far as they were recorded, and how the trial ended by itself, if it did."""
    until = recorded.epochs + (recorded.state not in _CUT_SHORT)  # one more, for it to end in
    reports: list[Report] = []
    orders, ended = Orders(start=(Trial(recorded.number, recorded.seed, params),)), None
    with InlineExecutor(work) as worker:
        while ended is None and len(reports) < until:
            worker.send(orders)
            progress = worker.receive()
            reports += progress.reports
            ended = next(iter(progress.ended), None)
            orders = Orders()
    curves = _curves(reports)
    if ended is not None and ended.state is State.COMPLETE and recorded.state is State.COMPLETE:
        last = curves[accepted_keys({objective: None}).popitem()[0]]
        curves[OBJECTIVE] = Curve(last.epochs[-1:], last.values[-1:])
    return curves, ended


def _curves(reports: Iterable[Report]) -> dict[str, Curve]:
    points: dict[str, dict[int, float]] = {}
    for report in reports:
        for name, value in accepted_keys(report.metrics).items():
            points.setdefault(name, {})[report.epoch] = value
    return {name: Curve(tuple(values), tuple(values.values())) for name, values in points.items()}


def _otherwise(recorded: RecordedTrial, ended: Ended | None) -> str | None:
    """Return how the trial ended otherwise than it did, in words; of one that diverged, that is its loss too."""
    before, now = recorded.state, ended.state if ended else None
    if now is before and (before is not State.DIVERGED or ended is None or ended.why == recorded.reason):
        return None
    if before in _CUT_SHORT and now in (None, State.COMPLETE):
        return None
    then = f"it was {before} after {_epochs(recorded.epochs)}{_because(recorded.reason)}"
    if ended is None:
        return f"{then}, and trains on now"
    return f"{then}, and is {now} after {_epochs(ended.epoch)} now{_because(ended.why)}"


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
