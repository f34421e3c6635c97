"""What workers answered, round by round, on disk: from that a study can be resumed as if it had not been cut off.

The engine is a function of its seed and of these answers. So a resumed study asks, tells and orders all over again
what it did before, its answers being known, and trains on from where they end.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunelab.errors import StoreError
from tunelab.trial import Ended, Progress, Report, State

ROUNDS = "rounds.jsonl"
"""The file's name, in the study's folder."""


@dataclass(frozen=True)
class Round:
    """A worker's answer, and when the engine had dealt with it."""

    progress: Progress
    at: float


class Rounds:
    """The file that the engine appends to.

    A line is handed to the operating system before `append` returns, so a killed engine loses none. With the end of a
    trial it is forced to the disk, so a loss of power loses no more than what ran.

    Args:
        folder: the study's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ROUNDS

    def known(self) -> Iterator[Round]:
        """Yield the rounds that were written, the oldest first; a last line without its end is cut off.

        Raises:
            StoreError: a file that is damaged.
        """
        if not self._path.exists():
            return
        whole = self._path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            with self._path.open("r+b") as file:
                file.truncate(end)
        for number, line in enumerate(whole[:end].splitlines(), start=1):
            try:
                yield decode(line)
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{self._path}, line {number}, is damaged: {error}; run the study anew") from error

    def append(self, progress: Progress, at: float) -> None:
        """Write one round; raise `OSError` where nothing can be written."""
        with self._path.open("ab") as file:
            file.write(encode(Round(progress, at)))
            if progress.ended:
                file.flush()
                os.fsync(file.fileno())


def encode(known: Round) -> bytes:
    """Return a round's line; weights are not kept in it.

    >>> known = Round(Progress(began=(3,), members=1, capacity=16, work=2.0, seconds=0.5), 1.0)
    >>> decode(encode(known)) == known
    True
    """
    progress = known.progress
    plain = {
        "began": progress.began,
        "reports": [(each.trial, each.epoch, each.step, dict(each.metrics)) for each in progress.reports],
        "ended": [(each.trial, each.state, each.epoch, each.step, each.reason) for each in progress.ended],
        "again": progress.again,
        "apart": progress.apart,
        "spared": progress.spared,
        "alone": progress.alone,
        "members": progress.members,
        "capacity": progress.capacity,
        "work": progress.work,
        "seconds": progress.seconds,
        "notes": progress.notes,
        "at": known.at,
    }
    return json.dumps(plain, default=float).encode() + b"\n"


def decode(line: bytes) -> Round:
    """Return the round that `encode` made this line of."""
    plain: dict[str, Any] = json.loads(line)
    at = plain.pop("at")
    began, notes = tuple(plain.pop("began")), tuple(plain.pop("notes"))
    again, apart, spared = (tuple(plain.pop(name, ())) for name in ("again", "apart", "spared"))  # not in older lines
    alone = tuple((trial, reason) for trial, reason in plain.pop("alone", ()))
    reports = tuple(Report(*each) for each in plain.pop("reports"))
    ended = tuple(
        Ended(trial, State(state), epoch, step, reason) for trial, state, epoch, step, reason in plain.pop("ended")
    )
    progress = Progress(began, reports, ended, again, apart, spared, alone, notes=notes, **plain)
    return Round(progress, at)
