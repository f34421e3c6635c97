"""Train in several workers by turns, and go on without those that die."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from tunelab.contracts import Executor
from tunelab.errors import WorkerError
from tunelab.trial import Orders, Progress, Trial

PATIENCE = 5
"""Times that a worker may die in a row, with no progress between, before a study gives up."""


def default_workers() -> int:
    """Return one worker for each core that this process may use, but for the one that it needs itself."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


class TeamExecutor(Executor):
    """Several executors that look like one: round r is trained by the r-th in turn.

    Turns do not depend on who is faster, so that the same seed gives the same study, whatever the machine does. A
    trial stays with the worker that got it.

    Where a worker dies, another takes its place, and its trials start again: a trial is a pure function, so that their
    curves are the same, and reports that are known already are passed over.

    Args:
        make: makes one worker's executor.
        workers: how many.
    """

    def __init__(self, make: Callable[[], Executor], workers: int) -> None:
        self._seats = [_Seat(make) for _ in range(workers)]
        self._sent = self._received = 0

    def send(self, orders: Orders) -> None:
        """Queue the orders of the next round; a trial is stopped at the next turn of the worker that has it."""
        for seat in self._seats:
            seat.stop += [number for number in orders.stop if number in seat.trials]
        self._seats[self._sent % len(self._seats)].send(orders)
        self._sent += 1

    def receive(self) -> Progress:
        """Return the progress of the oldest round not received yet.

        Raises:
            WorkerError: a worker dies again and again.
        """
        seat = self._seats[self._received % len(self._seats)]
        self._received += 1
        return seat.receive()

    def close(self) -> None:
        """Stop training at once and let go of everything."""
        for seat in self._seats:
            seat.executor.close()


class _Seat:
    """One worker's place in the team: what it was told, and what it has not answered."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self.executor = make()
        self.trials: dict[int, Trial] = {}
        self.stop: list[int] = []
        self._unanswered: deque[Orders] = deque()
        self._epochs: dict[int, int] = {}
        self._deaths = 0

    def send(self, given: Orders) -> None:
        """Pass on the orders, but for whom to stop: those of this worker's own trials that are to end by now."""
        orders, self.stop = replace(given, stop=tuple(self.stop)), []
        self.trials |= {trial.number: trial for trial in given.start}
        self._unanswered.append(orders)
        self.executor.send(orders)

    def receive(self) -> Progress:
        while True:
            try:
                progress = self.executor.receive()
                break
            except WorkerError as error:
                self._replace(error)
        self._unanswered.popleft()
        if self._is_news(progress):
            self._deaths = 0
        for ended in progress.ended:
            self.trials.pop(ended.trial, None)
            self._epochs.pop(ended.trial, None)
        return progress

    def _is_news(self, progress: Progress) -> bool:
        """Return whether a trial got further than ever: one that always kills its process at one place does not."""
        further = [each for each in progress.reports if each.epoch > self._epochs.get(each.trial, 0)]
        self._epochs |= {each.trial: each.epoch for each in further}
        return bool(further or progress.ended)

    def _replace(self, error: WorkerError) -> None:
        """Put another worker in the place of one that died, and give it all that is open."""
        self._deaths += 1
        if self._deaths >= PATIENCE:
            running = ", ".join(map(str, self.trials)) or "none"
            raise WorkerError(
                f"{error}; it died {self._deaths} times in a row with these trials: {running}. If memory ran out, "
                "lower --population or --workers"
            ) from error
        self.executor.close()
        self.executor = self._make()
        stop = tuple(number for orders in self._unanswered for number in orders.stop)
        later = [Orders(finish=orders.finish) for orders in self._unanswered]
        again = replace(later[0], start=tuple(self.trials.values()), stop=stop)
        self._unanswered = deque([again, *later[1:]])
        for orders in self._unanswered:
            self.executor.send(orders)
