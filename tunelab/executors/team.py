"""Train in several workers, in an order that no clock decides, and go on without those that die."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from tunelab.contracts import Executor
from tunelab.errors import WorkerError, WorkerHung
from tunelab.trial import Going, Hung, Orders, Progress, Trial

PATIENCE = 5
"""Times that a worker may die in a row, with no progress between, before a study gives up."""


class TeamExecutor(Executor):
    """Several executors that look like one: the next answer is that of the worker that has done the least so far.

    What a round was worth is counted, not timed (`Progress.work`), so that the same seed gives the same study, whatever
    the machine does, and yet hardly anybody waits: who has had a short round is asked again before who trains a long
    one. Equal rounds go by turns. New orders go to the worker that holds the fewest. A trial stays with the worker that
    got it.

    Where a worker dies, another takes its place, and brings its trials to where they were before it goes on: round for
    round as if nothing had happened. So does a study that is resumed, whose first rounds are known (`pass_over`). A
    trial whose worker was ended because it hung has failed; those that trained together then go on apart.

    Args:
        make: makes one worker's executor.
        workers: how many.
    """

    def __init__(self, make: Callable[[], Executor], workers: int) -> None:
        self._seats = [_Seat(make) for _ in range(workers)]
        self._sent = self._received = 0

    def start(self) -> None:
        """Start the workers that do not run; they are when they are needed first, at the latest."""
        for seat in self._seats:
            seat.start()

    def send(self, orders: Orders) -> None:
        """Queue the orders of a round; a trial is stopped at the next round of the worker that has it."""
        for seat in self._seats:
            seat.stop += [number for number in orders.stop if number in seat.trials]
        seat = min(self._seats, key=lambda seat: (seat.holds, seat.sent))
        self._sent += 1
        seat.sent = self._sent
        seat.send(orders)

    def receive(self) -> Progress:
        """Return the progress of the round whose answer is next.

        Raises:
            WorkerError: a worker dies again and again.
        """
        self.start()
        seat = self._next()
        progress = seat.receive()
        self._count(seat, progress)
        return progress

    def pass_over(self, progress: Progress) -> None:
        """Take the progress of the round whose answer is next as known: nobody trains it."""
        seat = self._next()
        seat.answered(progress)
        self._count(seat, progress)

    def close(self) -> None:
        """Stop training at once and let go of everything."""
        for seat in self._seats:
            seat.close()

    def _next(self) -> "_Seat":
        """Return the place of who has done the least, and of equals of whose last answer is the oldest."""
        return min((seat for seat in self._seats if seat.holds), key=lambda seat: (seat.work, seat.received))

    def _count(self, seat: "_Seat", progress: Progress) -> None:
        """Count what a round was worth; who had nothing to train has waited for the others, and is level with them."""
        self._received += 1
        seat.received = self._received
        seat.work += progress.work
        if not progress.work:
            seat.work = max(each.work for each in self._seats)


class _Seat:
    """One worker's place in the team: what it was told, what it has not answered, and where its trials are."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self.trials: dict[int, Trial] = {}
        self.stop: list[int] = []
        self.sent = self.received = 0  # when it was last sent orders and last answered, in the team's count
        self.work = 0.0
        self._make = make
        self._executor: Executor | None = None
        self._is_new = True
        self._unanswered: deque[Orders] = deque()
        self._epochs: dict[int, int] = {}  # of those that have a place
        self._furthest: dict[int, int] = {}  # of those that may have started again since
        self._apart: set[int] = set()
        self._spared: set[int] = set()
        self._alone: list[tuple[Trial, str]] = []  # one of each network that was found to be so
        self._hung: tuple[Hung, ...] = ()  # in the oldest round that is not answered
        self._deaths = 0

    @property
    def holds(self) -> int:
        """How many orders it has not answered."""
        return len(self._unanswered)

    def start(self) -> None:
        """Start a worker, if there is none, and tell it all that the last one had been told and did not finish."""
        if self._executor is not None:
            return
        self._executor, self._is_new = self._make(), True
        for orders in self._unanswered:
            self._pass_on(orders)

    def send(self, given: Orders) -> None:
        """Pass on the orders, but for whom to stop: those of this worker's own trials that are to end by now."""
        orders, self.stop = replace(given, stop=tuple(self.stop)), []
        self.trials |= {trial.number: trial for trial in given.start}
        self._unanswered.append(orders)
        if self._executor is not None:
            self._pass_on(orders)

    def receive(self) -> Progress:
        """Return the progress of the oldest round, whoever trains it in the end."""
        while True:
            try:
                assert self._executor is not None
                progress = self._executor.receive()
                break
            except WorkerHung as error:
                self._hung += (Hung(error.trials, error.reason),)
                self._replace(error, deaths=0 if len(error.trials) == 1 else 1)  # one that fails for it is news
            except WorkerError as error:
                self._replace(error)
        if self._is_news(progress):
            self._deaths = 0
        self.answered(progress)
        return progress

    def answered(self, progress: Progress) -> None:
        """Note where the trials are after a round."""
        self._unanswered.popleft()
        self._hung = ()
        for number in progress.began:
            self._epochs.setdefault(number, 0)
        for report in progress.reports:
            self._epochs[report.trial] = report.epoch
            self._furthest[report.trial] = max(report.epoch, self._furthest.get(report.trial, 0))
        for number in progress.again:
            self._epochs.pop(number, None)
        self._apart.update(progress.apart)
        self._spared.update(progress.spared)
        self._alone += [(self.trials[number], reason) for number, reason in progress.alone]
        for ended in progress.ended:
            self.trials.pop(ended.trial, None)
            self._epochs.pop(ended.trial, None)
            self._furthest.pop(ended.trial, None)

    def _pass_on(self, orders: Orders) -> None:
        """Send orders; the first ones of a new worker also say where the trials are."""
        assert self._executor is not None
        if self._is_new:
            later = {trial.number for each in self._unanswered for trial in each.start}
            going = tuple(self._going(trial) for number, trial in self.trials.items() if number not in later)
            orders = replace(orders, going=going, hung=self._hung, alone=tuple(self._alone))
        self._is_new = False
        self._executor.send(orders)

    def _going(self, trial: Trial) -> Going:
        number = trial.number
        return Going(trial, self._epochs.get(number), number in self._apart, number in self._spared)

    def _is_news(self, progress: Progress) -> bool:
        """Return whether a trial got further than ever: a loop that kills its process at one place does not."""
        return bool(progress.ended) or any(each.epoch > self._furthest.get(each.trial, 0) for each in progress.reports)

    def close(self) -> None:
        """Stop the worker."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _replace(self, error: WorkerError, deaths: int = 1) -> None:
        """Put another worker in the place of one that died."""
        self._deaths += deaths
        if self._deaths >= PATIENCE:
            running = ", ".join(map(str, self.trials)) or "none"
            raise WorkerError(
                f"{error}; it died {self._deaths} times in a row with these trials: {running}. If memory ran out, "
                "lower --population or --workers, or let --worker-memory fail the trial that needs too much"
            ) from error
        self.close()
        self.start()
