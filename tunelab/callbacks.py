"""`reports_of`: a training that calls back becomes a generator, as a loop must be."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any

Report = Callable[[Mapping[str, Any]], None]
"""What a callback is to call with its metrics; it returns when the next report is wanted."""


class Closed(BaseException):
    """Raised out of `report` when no more reports are wanted: the training unwinds, and its `finally` blocks run."""


def reports_of(fit: Callable[[Report], object]) -> Iterator[Mapping[str, Any]]:
    """Yield what a training reports through its callbacks: for frameworks that own the loop.

    `fit` runs in a thread, but never at the same time as whoever draws the reports: each waits for the other.

    Args:
        fit: trains from start to end. It is given the function that its callbacks call with their metrics.

    Raises:
        Whatever `fit` raises.

    >>> def fit(report):
    ...     for epoch in range(3):
    ...         report({"val_loss": 1 / (epoch + 1)})
    >>> [metrics["val_loss"] for metrics in reports_of(fit)]
    [1.0, 0.5, 0.3333333333333333]
    """
    training = _Training(fit)
    thread = Thread(target=copy_context().run, args=(training.run,), name="tunelab-fit", daemon=True)
    thread.start()
    try:
        while (metrics := training.next()) is not None:
            yield metrics
            training.go_on()
    finally:
        training.close()
        thread.join()
        if training.error is not None:
            raise training.error


class _Training:
    """The two ends of a training in a thread of its own: its reports, when it may go on, and what it raised."""

    def __init__(self, fit: Callable[[Report], object]) -> None:
        self._fit = fit
        self.error: BaseException | None = None
        self._reports: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._is_closed = False

    def run(self) -> None:
        """Train, in the thread."""
        try:
            self._fit(self._report)
        except Closed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._reports.put(None)

    def next(self) -> Mapping[str, Any] | None:
        """Return the next report; None at the end."""
        return self._reports.get()

    def go_on(self) -> None:
        """Let the training go on."""
        self._turns.put(None)

    def close(self) -> None:
        """Let the training end where it reports next, or where it waits."""
        self._is_closed = True
        self._turns.put(None)

    def _report(self, metrics: Mapping[str, Any]) -> None:
        if not self._is_closed:
            self._reports.put(metrics)
            self._turns.get()
        if self._is_closed:
            raise Closed
