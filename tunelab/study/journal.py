"""Optuna's journal storage, for a study that one process writes."""

import json
import os
from collections.abc import Callable, Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState


class JournalFile(JournalFileBackend):
    """Optuna's journal file, which forces a line to the disk only where that is wanted.

    A line is handed to the operating system before `append_logs` returns, so a killed engine loses none; and the next
    line that is forced takes those before it along.

    Args:
        path: the file.

    Attributes:
        is_forced: whether the next lines are forced.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._own_lock = path, JournalFileSymlinkLock(str(path))
        super().__init__(str(path), self._own_lock)
        self.is_forced = True

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append a line for each of the operations, or nothing: a part of one would make all of the file unreadable."""
        end = self._path.stat().st_size
        try:
            self._append(logs)
        except OSError:  # a disk that is full
            os.truncate(self._path, end)
            raise

    def _append(self, logs: list[dict[str, Any]]) -> None:
        if self.is_forced:
            super().append_logs(logs)
            return
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        self._own_lock.acquire()
        try:
            with self._path.open("ab") as file:
                file.write(lines.encode())
        finally:
            self._own_lock.release()


class OneWriterJournal(JournalStorage):
    """A journal that spares what matters only where several processes write.

    It stops looking for enqueued trials once it has found none: at every ask, Optuna walks through all trials for
    those, which makes the thousandth trial dearer than the first. Only this process enqueues any here.

    It does not force every report of a running trial to the disk (0.2 ms of CPU, and milliseconds of waiting for each
    epoch of each trial that a pruner watches): after a loss of power, a trial that ran has failed anyway.

    Args:
        path: the file.

    Attributes:
        now: the clock, where that is another one: a study that is resumed writes its first trials down again.
    """

    _may_wait = True

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        self.now: Callable[[], float] | None = None
        super().__init__(self._file)

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        """Append a line; while another clock runs, its times are that one's, and nothing is forced to the disk."""
        if self.now is None:
            super()._write_log(op_code, extra_fields)
            return
        then = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="microseconds")
        times = {name: then for name in ("datetime_start", "datetime_complete") if extra_fields.get(name)}
        self._file.is_forced = False
        try:
            super()._write_log(op_code, extra_fields | times)
        finally:
            self._file.is_forced = True

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Return the identifier of a new trial; one with a template is enqueued."""
        self._may_wait |= template_trial is not None
        return super().create_new_trial(study_id, template_trial)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Note a report of a running trial."""
        self._file.is_forced = False
        try:
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        finally:
            self._file.is_forced = True

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
