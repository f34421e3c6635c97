"""A tracker that keeps a study in memory: for tests, and for whoever wants no files."""

from dataclasses import dataclass, field

from tunelab.contracts import Tracker
from tunelab.trial import Curve, Mirror, Report, State, StudyRecord, Summary, Trial


@dataclass(slots=True)
class TrackedTrial:
    """What was said of one trial.

    Attributes:
        started, ended: Unix seconds; `ended` is None while it trains.
        reports: one an epoch, in order; an epoch that is reported again is left out.
        times: when each of them came.
    """

    trial: Trial
    started: float
    reports: list[Report] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    state: State | None = None
    value: float | None = None
    reason: str | None = None
    ended: float | None = None

    def curve(self, metric: str) -> Curve:
        """Return one metric over the epochs that reported it."""
        points = [(report.epoch, report.metrics[metric]) for report in self.reports if metric in report.metrics]
        return Curve(tuple(epoch for epoch, _ in points), tuple(value for _, value in points))


class MemoryTracker(Tracker):
    """Keeps all that it is told in plain attributes.

    Attributes:
        study: the study, once it began.
        trials: the trials by number.
        summary: the study's end, once it finished.
        began, finished: Unix seconds.
        closed: whether `close` was called.

    >>> tracker = MemoryTracker()
    >>> tracker.start(Trial(0, 7, {"optimizer.lr": 0.1}), 10.0)
    >>> tracker.report(Report(0, 1, 20, {"val_loss": 0.5}), 11.0)
    >>> tracker.end(0, State.COMPLETE, 0.5, None, 12.0)
    >>> tracker.trials[0].curve("val_loss")
    Curve(epochs=(1,), values=(0.5,))
    """

    def __init__(self) -> None:
        self.study: StudyRecord | None = None
        self.trials: dict[int, TrackedTrial] = {}
        self.summary: Summary | None = None
        self.began: float | None = None
        self.finished: float | None = None
        self.closed = False

    def begin(self, study: StudyRecord, at: float) -> None:
        """Keep the study; one that goes on keeps its trials."""
        self.study, self.began = study, at
        self.summary, self.finished, self.closed = None, None, False

    def start(self, trial: Trial, at: float) -> None:
        """Keep a trial; one that goes on keeps its reports."""
        tracked = self.trials.setdefault(trial.number, TrackedTrial(trial, at))
        tracked.state = tracked.value = tracked.reason = tracked.ended = None

    def report(self, report: Report, at: float) -> None:
        """Keep one epoch, once."""
        tracked = self.trials[report.trial]
        if not tracked.reports or report.epoch > tracked.reports[-1].epoch:
            tracked.reports.append(report)
            tracked.times.append(at)

    def end(self, trial: int, state: State, value: float | None, reason: str | None, at: float) -> None:
        """Keep how a trial ended."""
        tracked = self.trials[trial]
        tracked.state, tracked.value, tracked.reason, tracked.ended = state, value, reason, at

    def finish(self, summary: Summary, at: float) -> Mirror:
        """Keep the summary; there is no page to open."""
        self.summary, self.finished = summary, at
        return Mirror(runs={number: str(number) for number in self.trials})

    def close(self) -> None:
        """Note that the study was let go of."""
        self.closed = True
