"""The engine: asks Optuna, hands trials to an executor, passes on what comes back, and tells Optuna.

Engine and worker go in lockstep, as many rounds apart as the budget says. With two, while the worker trains round
r + 1, the engine works on what round r brought, and its answer takes effect in round r + 2. So training does not wait
for sampling and storing, and yet which trial was asked for after which had ended depends on nothing but the seed: the
same study every time.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import optuna
from optuna.trial import TrialState

from tunelab.contracts import Executor, Tracker
from tunelab.errors import AllTrialsFailed, StorageLost, TooManyFailures, WorkerError, setting
from tunelab.searchable import Searchable
from tunelab.study.ledger import Ledger, Snapshot
from tunelab.study.rounds import Round
from tunelab.study.suggest import OptunaSuggest
from tunelab.trial import Ended, Orders, Progress, Report, Result, State, Trial

COMPANY = 2
"""Trials in flight for each place of a population: the more, the more company those of a rare cohort find."""

HOPELESS = 20
"""Trials that must fail with the same error, and none have done better, before a study gives up."""


@dataclass(frozen=True)
class Budget:
    """When to stop asking.

    Attributes:
        trials: after so many; None for no limit.
        timeout: after so many seconds; None for no limit.
        in_flight: trials for each worker that are asked for and have not ended, at most; None where only a worker finds
            out how many train together.
        ahead: orders that each worker holds. With 2 it never waits for the engine: it has those of the round that it
            trains, and those of the next. With 1 it waits, and each round knows what the engine made of the last.
        workers: how many take turns.
        trial_timeout: seconds of training after which a trial is stopped, and has failed.
        max_failures: trials that may fail in a row.
    """

    trials: int | None
    timeout: float | None
    in_flight: int | None
    ahead: int = 2
    workers: int = 1
    trial_timeout: float | None = None
    max_failures: int | None = None


class Engine:
    """Runs one study.

    Args:
        experiment: what is searched.
        study: Optuna's side of it.
        executor: where trials train.
        tracker: what mirrors them.
        budget: when to stop.
        seed: trials' seeds follow from it.
        watch: called at the start and after every round.
        settle: called with each trial's result and end, and whether it is better than all before.
        remember: called with each round that was dealt with, and the time.
    """

    def __init__(
        self,
        experiment: Searchable,
        study: optuna.Study,
        executor: Executor,
        tracker: Tracker,
        budget: Budget,
        seed: int,
        watch: Callable[[Snapshot], None],
        settle: Callable[[Result, Ended, bool], None],
        remember: Callable[[Progress, float], None] = lambda *_: None,
    ) -> None:
        self.ledger = Ledger(study.study_name, experiment.objective, maximize=experiment.maximize is not None)
        self._experiment = experiment
        self._study = study
        self._executor = executor
        self._tracker = tracker
        self._budget = budget
        self._seed = seed
        self._watch = watch
        self._settle = settle
        self._remember = remember
        self.notes: dict[str, None] = {}
        self._in_flight = (budget.in_flight or COMPANY) * budget.workers
        self._ahead = budget.ahead * budget.workers
        self._asked = 0
        self._trials: dict[int, optuna.Trial] = {}
        self._prunes = not isinstance(study.pruner, optuna.pruners.NopPruner)
        self._stop: list[int] = []
        self._called_off: set[int] = set()
        self._trained: defaultdict[int, float] = defaultdict(float)  # seconds, by trial
        self._overdue: set[int] = set()
        self._failures = 0  # in a row, since this process has the study
        self._idle = 0
        self._begun = False

    def replay(self, rounds: Iterable[Round]) -> None:
        """Do again what a study that was cut off had done: its rounds are known, and nobody trains them.

        Args:
            rounds: those, from the first on.
        """
        for known in rounds:
            self.ledger.now = partial(float, known.at)
            if not self._begun:
                self.ledger.began = known.at - known.progress.seconds
                self._order_ahead()
            self._executor.pass_over(known.progress)
            self._take(known.progress)
            self._executor.send(self._orders())
        away = time.time() - self.ledger.now()
        self.ledger.now = time.time
        self.ledger.began += away if self._begun else 0.0

    def run(self) -> None:
        """Search until the budget is spent and every trial has ended.

        Raises:
            AllTrialsFailed: no trial has done better than fail with the same error.
            TooManyFailures: so many trials failed in a row as may not.
        """
        self._failures = 0
        if not self._begun:
            self._order_ahead()
        self._show()
        while self.ledger.in_flight:
            progress = self._executor.receive()
            self._check_idle(progress)
            self._take(progress)
            self._remember(progress, self.ledger.now())
            self._give_up_if_hopeless()
            self._give_up_after_failures()
            self._executor.send(self._orders())
            self._show()

    def interrupt(self, reason: str) -> None:
        """End every trial that has not ended: told as failed, shown as interrupted."""
        for trial in self.ledger.open_trials:
            self._end(Ended(trial.number, State.INTERRUPTED, 0, 0, reason))
        for number in list(self._trials):  # its sampling was cut short
            self._tell_failed(number, State.INTERRUPTED, reason)

    def _order_ahead(self) -> None:
        self._begun = True
        for _ in range(self._ahead):
            self._executor.send(self._orders())

    def _show(self) -> None:
        self._watch(self.ledger.snapshot(self._budget.trials))

    def _orders(self) -> Orders:
        """Return what is to stop, and new trials: a few a round, so that a round's answer is never late."""
        self._call_off()
        stop, self._stop = tuple(self._stop), []
        room = self._in_flight - self.ledger.in_flight
        wanted = max(2, -(-room // 4)) if room > 0 else 0
        return Orders(start=tuple(self._ask(min(wanted, room))), stop=stop)

    def _ask(self, wanted: int) -> Iterator[Trial]:
        for _ in range(wanted):
            if self._spent():
                return
            asked = self._study.ask()
            self._trials[asked.number] = asked
            params = self._experiment.draw(OptunaSuggest(asked))
            trial = Trial(asked.number, trial_seed(self._seed, asked.number), params)
            self._asked += 1
            self.ledger.add(trial)
            yield trial

    def _spent(self) -> bool:
        budget = self._budget
        return self._late or (budget.trials is not None and self._asked >= budget.trials)

    @property
    def _late(self) -> bool:
        timeout = self._budget.timeout
        return timeout is not None and self.ledger.now() - self.ledger.began >= timeout

    def _call_off(self) -> None:
        """Once the time is up, stop the trials that wait for a place; only the worker knows which got one by now."""
        if self._late:
            waiting = {trial.number for trial in self.ledger.waiting_trials} - self._called_off
            self._called_off |= waiting
            self._stop += sorted(waiting)

    def _take(self, progress: Progress) -> None:
        self.ledger.count(progress.members, progress.capacity, progress.seconds)
        self.notes.update(dict.fromkeys(progress.notes))
        if self._budget.in_flight is None:
            self._in_flight = max(self._in_flight, COMPANY * progress.capacity * self._budget.workers)
        for number in progress.began:
            self._begin(number)
        for report in progress.reports:
            self._report(report)
            self._stop_if_overdue(report.trial, progress.seconds)
        for ended in progress.ended:
            self._end(ended)

    def _check_idle(self, progress: Progress) -> None:
        """Raise rather than wait for ever if a worker has nothing to train while trials are open."""
        self._idle = 0 if progress.members or progress.ended else self._idle + 1
        if self._idle > 2 * self._ahead:
            lost = ", ".join(str(trial.number) for trial in self.ledger.open_trials)
            raise WorkerError(f"the worker has nothing to train, yet these trials have not ended: {lost}")

    def _begin(self, number: int) -> None:
        trial = self.ledger.begin(number)
        if trial is not None:
            self._tracker.start(trial, self.ledger.now())

    def _report(self, report: Report) -> None:
        if not self.ledger.report(report):
            return
        self._tracker.report(report, self.ledger.now())
        if self._prunes:
            trial = self._trials[report.trial]
            trial.report(report.metrics[self._experiment.objective], report.epoch)
            last = report.epoch == self.ledger.open_trial(report.trial).params.get("epochs")
            if not last and trial.should_prune():
                self._stop.append(report.trial)

    def _stop_if_overdue(self, number: int, seconds: float) -> None:
        """Count what a trial trained; the worker says how long, so that a study that is resumed counts the same."""
        limit = self._budget.trial_timeout
        self._trained[number] += seconds
        if limit is not None and self._trained[number] > limit and number not in self._overdue:
            self._overdue.add(number)
            self._stop.append(number)

    def _end(self, ended: Ended) -> None:
        self._begin(ended.trial)  # one that waited, or that its worker refused, never began
        if ended.state is State.PRUNED and ended.trial in self._called_off:
            ended = replace(ended, state=State.INTERRUPTED, reason="the time was up")
        trained = self._trained.pop(ended.trial, 0.0)
        if ended.state is State.PRUNED and ended.trial in self._overdue:
            allowed = f"{setting('trial_timeout')} allows {self._budget.trial_timeout:g} s"
            why = f"it trained for {trained:.3g} s, and {allowed}"
            ended = replace(ended, state=State.FAILED, reason=why)
        self._failures = self._failures + 1 if ended.state is State.FAILED else 0
        result = self.ledger.end(ended.trial, ended.state, ended.reason)
        if result is None:
            return
        try:
            self._tell(result)
        except (StorageLost, KeyboardInterrupt) as error:  # Optuna does not hold what came of it
            reason = str(error) or "interrupted by a signal"
            self.ledger.take_back(ended.trial, reason)
            self._tracker.end(ended.trial, State.INTERRUPTED, None, reason, self.ledger.now())
            raise
        self._tracker.end(ended.trial, ended.state, result.value, ended.reason, self.ledger.now())
        self._settle(result, ended, self.ledger.best is result)

    def _tell(self, result: Result) -> None:
        number = result.trial.number
        if result.state is State.COMPLETE:
            self._study.tell(self._trials.pop(number), result.value)
        elif result.state is State.PRUNED:
            self._study.tell(self._trials.pop(number), state=TrialState.PRUNED)
        else:
            self._tell_failed(number, result.state, result.reason)

    def _tell_failed(self, number: int, state: State, reason: str | None) -> None:
        trial = self._trials.pop(number)
        with suppress(StorageLost) if state is State.INTERRUPTED else nullcontext():  # the cause is heard of already
            trial.set_user_attr("state", str(state))
            trial.set_user_attr("reason", reason)
            self._study.tell(trial, state=TrialState.FAIL)

    def _give_up_after_failures(self) -> None:
        most = self._budget.max_failures
        if most is not None and self._failures >= most:
            last = [result for result in self.ledger.results.values() if result.state is State.FAILED][-1]
            raise TooManyFailures(
                f"{self._failures} trials failed in a row, the last, {last.trial.number}, so: {last.why}; what "
                f"ended before is kept; to go on once it is mended: tunelab resume {self._study.study_name}"
            )

    def _give_up_if_hopeless(self) -> None:
        results = self.ledger.results.values()
        if len(results) < HOPELESS or self.ledger.best is not None:
            return
        reasons = {result.why for result in results}
        if len(reasons) == 1 and all(result.state is State.FAILED for result in results):
            first = min(self.ledger.results)
            raise AllTrialsFailed(
                f"the first {len(results)} trials all failed the same way, as trial {first} did: {reasons.pop()}"
            )


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a study's trial: 32 bits mixed from the study's seed and the trial's number.

    >>> trial_seed(0, 1) == trial_seed(0, 1) != trial_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
