"""Optuna's journal storage, for a study that one process writes."""

from collections.abc import Container
from typing import Any

from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState


class OneWriterJournal(JournalStorage):
    """A journal that stops looking for enqueued trials once it has found none.

    At every ask, Optuna walks through all trials for those that were enqueued, which makes the thousandth trial dearer
    than the first. Only this process enqueues any here.
    """

    _may_wait = True

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
