"""Optuna's journal storage, for a study that one process writes."""

import json
import os
from collections import deque
from collections.abc import Callable, Container, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState


class JournalFile(JournalFileBackend):
    """Optuna's journal file, for one writer: without its lock, and without forcing each line to the disk.

    A line is handed to the operating system before `append_logs` returns, so a killed engine loses none. What a loss of
    power takes is written down anew when the study is resumed (`tunelab.study.rounds`).

    Optuna reads after every line that it writes what has come to the file. That is what it wrote, so it is not fetched
    from there.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(str(path))
        with path.open("rb") as file:
            self._first = sum(1 for _ in file)  # the number of the oldest of those that follow
        self._appended: deque[str] = deque()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the operations from this one on: from the file those that it had, the others as they were written."""
        if log_number_from < self._first:
            yield from super().read_logs(log_number_from)
            return
        while self._appended and self._first < log_number_from:
            self._appended.popleft()
            self._first += 1
        yield from map(json.loads, tuple(self._appended))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append a line for each of the operations, or nothing: a part of one would make all of the file unreadable."""
        lines = [f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs]
        end = self._path.stat().st_size
        try:
            with self._path.open("ab") as file:
                file.write("".join(lines).encode())
        except OSError:  # a disk that is full
            os.truncate(self._path, end)
            raise
        self._appended += lines


class OneWriterJournal(JournalStorage):
    """A journal that spares what matters only where several processes write.

    It stops looking for enqueued trials once it has found none: at every ask, Optuna walks through all trials for
    those, which makes the thousandth trial dearer than the first. Only this process enqueues any here.

    Args:
        path: the file.

    Attributes:
        now: the clock, where that is another one: a study that is resumed writes its first trials down again.
    """

    _may_wait = True

    def __init__(self, path: Path) -> None:
        self.now: Callable[[], float] | None = None
        super().__init__(JournalFile(path))

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        """Append a line; while another clock runs, its times are that one's."""
        times = {}
        if self.now is not None:
            then = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="microseconds")
            times = {name: then for name in ("datetime_start", "datetime_complete") if extra_fields.get(name)}
        super()._write_log(op_code, extra_fields | times)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Return the identifier of a new trial; one with a template is enqueued."""
        self._may_wait |= template_trial is not None
        return super().create_new_trial(study_id, template_trial)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials in these states."""
        only_waiting: Any = (TrialState.WAITING,)
        if states != only_waiting:
            return super().get_all_trials(study_id, deepcopy, states)
        found = super().get_all_trials(study_id, deepcopy, states) if self._may_wait else []
        self._may_wait = bool(found)
        return found
