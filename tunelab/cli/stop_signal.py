"""Ctrl-C and SIGTERM, taken where nothing is half done: between two rounds of training."""

import signal
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tunelab.study.ledger import Snapshot

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """While it is open, the first signal stops a study at its next `check`; a second one stops it at once.

    On the way out, a stop becomes the exit code that shells have for it: 130 for Ctrl-C, 143 for SIGTERM.

    Attributes:
        number: the signal that came, if any.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._training = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # `nohup` and the like mean it
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt:
            raise SystemExit(128 + (self.number or signal.SIGINT)) from None

    def check(self, snapshot: "Snapshot") -> None:
        """Raise `KeyboardInterrupt` if a signal came; called after every round."""
        self._training = snapshot.running + snapshot.waiting > 0
        if self.number is not None:
            raise KeyboardInterrupt

    def _take(self, number: int, _: FrameType | None) -> None:
        first, self.number = self.number is None, number
        if not (first and self._training):
            raise KeyboardInterrupt
