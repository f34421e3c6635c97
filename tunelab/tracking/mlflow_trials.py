"""One MLflow run for each trial: a child of the study's run."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.mlflow_names import accepted_keys, param_text, tag_text
from tunelab.tracking.mlflow_patience import FAILURES, Patience, RefusalError
from tunelab.tracking.mlflow_study import child_query
from tunelab.tracking.saved_view import is_rate, log_axis
from tunelab.trial import OBJECTIVE, State, StudyRecord, Trial, Value

if TYPE_CHECKING:
    from tunelab.tracking.spool import EpochReported, TrialEnded

_EVERY = 5.0  # seconds between a long trial's uploads: how late its curve is
_MOST_POINTS = 800  # buffered of one trial; with parameters and tags, a request may hold 1,000

P = ParamSpec("P")
R = TypeVar("R")

STATUS = {
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
    State.INTERRUPTED: "KILLED",
}


@dataclass(slots=True)
class _OpenTrial:
    trial: Trial
    started: float  # Unix seconds
    line: int  # where its first line starts in the spool
    run: str | None  # None: its run is created with its first upload, which for a short trial is at its end
    epoch: int  # the last one that was taken
    sent: float  # when it was uploaded last, or else started
    params_due: bool = True
    refused: bool = False
    doubted: bool = False  # whether a request to create its run may have arrived
    compared: bool = False  # whether MLflow may have some of its points
    shown: dict[str, set[int]] = field(default_factory=dict)  # those that it has: epochs, by metric
    points: list[Metric] = field(default_factory=list)


class TrialRuns:
    """The runs of one study's trials, kept in step with the spool.

    A trial that ends within seconds costs three requests: one run, one batch, one end. A longer one is uploaded
    every few seconds. `state` is updated after each request, and may lag: everything here can be done twice. What may
    have been done before is looked up first: a run after a request that nobody answered, and the points of a run that
    another writer made.

    Args:
        tags: what every run carries beside its own.
    """

    def __init__(
        self,
        client: MlflowClient,
        patience: Patience,
        state: MirrorState,
        study: StudyRecord,
        *,
        tags: dict[str, str],
    ) -> None:
        self._client = client
        self._patience = patience
        self._state = state
        self._study = study
        self._tags = tags
        self._settled: set[int] = set()
        self._settled_to = 0
        self._open: dict[int, _OpenTrial] = {}
        self._written: set[int] = set()
        self.metric_names: dict[str, None] = {}

    @property
    def numbers(self) -> list[int]:
        """The trials that have not ended."""
        return list(self._open)

    @property
    def first_needed(self) -> int | None:
        """Where the spool must be read from again after a kill; None when no trial is open."""
        return min((opened.line for opened in self._open.values()), default=None)

    def settle(self, trials: set[int], upto: int) -> None:
        """Leave out what the spool says of these trials up to there: their runs show it."""
        self._settled, self._settled_to = trials, upto

    def start(self, trial: Trial, at: float, line: int) -> None:
        """Take up a trial: a new one, one that goes on, or (reading the spool again) one that was open.

        Args:
            trial: the trial.
            at: when it started, Unix seconds.
            line: where the spool says so, in bytes.
        """
        number, state = trial.number, self._state
        if number in self._open:  # its engine was killed before it could say how the attempt ended
            return
        if number in self._settled and line < self._settled_to:
            return
        run = state.runs.get(number)
        if run and number not in state.open:
            self._patience(self._client.update_run, run, status="RUNNING")
            with suppress(RefusalError):  # where it has none
                self._patience(self._client.delete_tag, run, "tunelab.reason")
        epoch = state.epochs.get(number, 0)
        self._open[number] = _OpenTrial(trial, at, line, run, epoch, sent=at, compared=run is not None)
        if run:
            self._note(number, run)

    def report(self, event: "EpochReported") -> None:
        """Take one epoch; one that an earlier attempt reported already is the same, and is left out."""
        report = event.report
        opened = self._open.get(report.trial)
        if opened is None or report.epoch <= opened.epoch:
            return
        opened.epoch = report.epoch
        stamp = _millis(event.at)
        metrics = accepted_keys(report.metrics)
        self.metric_names.update(dict.fromkeys(metrics))
        opened.points += [Metric(name, value, stamp, report.epoch) for name, value in metrics.items()]
        if len(opened.points) > _MOST_POINTS:
            self._upload(opened)

    def end(self, event: "TrialEnded") -> None:
        """Upload what is left of a trial and end its run as the trial ended."""
        opened = self._open.pop(event.trial, None)
        if opened is None:
            return
        if event.state is State.COMPLETE and event.value is not None:
            opened.points.append(Metric(OBJECTIVE, event.value, _millis(event.at), opened.epoch))
        tags = {"tunelab.state": event.state.value}
        if event.reason:
            tags["tunelab.reason"] = tag_text(event.reason)
        self._upload(opened, tags)
        if opened.run:
            self._request(opened, self._client.set_terminated, opened.run, STATUS[event.state], _millis(event.at))
        if event.trial not in self._written:
            self._written.add(event.trial)
            self._state.mend("trial written")
        self._state.open.discard(event.trial)
        if event.state is not State.INTERRUPTED:
            self._state.epochs.pop(event.trial, None)

    def upload_long(self) -> None:
        """Upload every trial that was last uploaded some seconds ago: a long one's curve grows while it trains."""
        now = time.time()
        for opened in self._open.values():
            if opened.points and now - opened.sent > _EVERY:
                self._upload(opened)

    def _upload(self, opened: _OpenTrial, tags: dict[str, str] | None = None) -> None:
        """Send what is buffered: parameters the first time, points, and at the end the tags that say how it ended."""
        if opened.run is None:
            opened.run = self._request(opened, self._create, opened, tags or {})
            tags = None
        params = accepted_keys(_params(opened.trial)) if opened.params_due else {}
        if opened.run:
            self._request(
                opened,
                self._log,
                opened,
                opened.run,
                [Param(name, param_text(value)) for name, value in params.items()],
                [RunTag(name, value) for name, value in (tags or {}).items()],
            )
        opened.points, opened.params_due, opened.sent = [], False, time.time()
        self._state.epochs[opened.trial.number] = opened.epoch

    def _log(self, opened: _OpenTrial, run: str, params: list[Param], tags: list[RunTag]) -> None:
        """Send a batch, without the points that MLflow has where it may have some."""
        points = opened.points
        if opened.compared:
            points = [point for point in points if point.step not in self._shown(opened, run, point.key)]
        try:
            self._client.log_batch(run, points, params, tags)
        except FAILURES:
            opened.compared, opened.shown = True, {}
            raise

    def _shown(self, opened: _OpenTrial, run: str, metric: str) -> set[int]:
        """Return the epochs at which MLflow has the metric."""
        if metric not in opened.shown:
            history = self._client.get_metric_history(run, metric)
            opened.shown[metric] = {point.step for point in history}
        return opened.shown[metric]

    def _request(self, opened: _OpenTrial, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Ask the store; note what it refuses, once a trial, and go on: one trial never stops the others."""
        try:
            return self._patience(call, *args, **kwargs)
        except RefusalError as refusal:
            if not opened.refused:
                self._state.refused.append(f"trial {opened.trial.number}: {refusal}")
            opened.refused = True
            return None

    def _create(self, opened: _OpenTrial, tags: dict[str, str]) -> str:
        """Create a trial's run; after a request without an answer, first look whether it had arrived."""
        start = _millis(opened.started)
        run = self._find(opened.trial.number) if opened.doubted else None
        opened.doubted = True
        if run is None:
            tags = self._tags_of(opened.trial) | tags
            run = str(self._client.create_run(self._state.experiment_id or "", start, tags).info.run_id)
        self._note(opened.trial.number, run)
        return run

    def _tags_of(self, trial: Trial) -> dict[str, str]:
        return {
            **self._tags,
            "mlflow.parentRunId": self._state.run_id or "",
            "mlflow.runName": self._name(trial),
            "tunelab.study": self._study.name,
            "tunelab.trial": str(trial.number),
            "tunelab.seed": str(trial.seed),
            "tunelab.state": "running",
        }

    def _name(self, trial: Trial) -> str:
        """Return what a chart's legend calls the run: its number and its first choices."""
        choices = (trial.params.get(name) for name in self._study.searched)
        return " ".join([str(trial.number), *(choice for choice in choices if isinstance(choice, str))][:4])

    def _note(self, number: int, run: str) -> None:
        self._state.runs[number] = run
        self._state.open.add(number)

    def _find(self, number: int) -> str | None:
        query = f"{child_query(self._state.run_id or '')} and tags.`tunelab.trial` = '{number}'"
        found = self._client.search_runs([self._state.experiment_id or ""], query, max_results=1)
        return str(found[0].info.run_id) if found else None


def _params(trial: Trial) -> dict[str, Value]:
    """Return the hyperparameters, and each learning rate's logarithm for the charts."""
    rates = {
        name: rate for name, rate in trial.params.items() if is_rate(name) and isinstance(rate, float) and rate > 0
    }
    return {**trial.params, **{log_axis(name): round(math.log10(rate), 4) for name, rate in rates.items()}}


def _millis(at: float) -> int:
    return round(at * 1000)
