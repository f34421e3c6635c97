"""The engines that work on one study in a database: who they are, and what one that died has left."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tunelab.study.process_identity import ProcessIdentity
from tunelab.study.shared_storage import ENGINE, SharedStorage
from tunelab.trial import State

PROCESS = "tunelab.engine."
"""With an engine's name, the user attribute of a study that says which process it is."""

OWNERS = "tunelab.owners"
"""The user attribute that lists who ran what is enqueued: first who made the study, last who does now."""

REASON = "its engine ended"
"""Why a trial was interrupted whose engine died."""

PAUSE = 60.0
"""Seconds from one look for dead engines to the next."""

_log = logging.getLogger(__name__)


class Engines:
    """The engines of a study, seen from one of them.

    Only an engine whose process has ended for certain is dead: one on another machine, or in another container, cannot
    be seen from here. No clock decides: one that was stopped for a while, or waited for its database, goes on.

    Args:
        study: in whichever storage; unless it is shared, there is one engine, and nothing to do.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._storage = study._storage if isinstance(study._storage, SharedStorage) else None
        self._here = ProcessIdentity.here()
        self._next = 0.0

    def enter(self) -> None:
        """Note in the study who this engine is, before there are trials of its own, and look for dead ones."""
        if self._storage is None:
            return
        if self._here:
            self._study.set_user_attr(PROCESS + self._storage.engine, asdict(self._here))
        if self._storage.is_owner:
            self._study.set_user_attr(OWNERS, [self._storage.engine])
        self.look()

    def look_at_times(self) -> None:
        """Look for dead ones, if that was a while ago."""
        if self._storage and time.monotonic() >= self._next:
            self.look()

    def look(self) -> None:
        """End the trials of dead engines, and run what is enqueued if its owner is one."""
        if self._storage is None:
            return
        self._next = time.monotonic() + PAUSE
        notes = self._study.user_attrs
        dead = dead_engines(notes, self._here)
        if dead:
            self._end_trials(self._storage, dead)
            self._take_over(self._storage, notes.get(OWNERS, []), dead)

    def _end_trials(self, storage: SharedStorage, dead: set[str]) -> None:
        ended: Counter[str] = Counter()
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            engine = trial.user_attrs.get(ENGINE)
            if engine in dead:
                with suppress(UpdateFinishedTrialError):  # another engine saw it too
                    storage.set_trial_user_attr(trial._trial_id, "state", str(State.INTERRUPTED))
                    storage.set_trial_user_attr(trial._trial_id, "reason", REASON)
                    storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                    ended[engine] += 1
        for engine, trials in ended.items():
            _log.warning(
                "%s: the engine %s has ended, and %d trials that it ran with it", self._study.study_name, engine, trials
            )

    def _take_over(self, storage: SharedStorage, owners: list[str], dead: set[str]) -> None:
        if owners and owners[-1] in dead:
            after = [*owners, storage.engine]
            storage.is_owner = storage.swap_study_user_attr(self._study._study_id, OWNERS, owners, after)


def dead_engines(notes: Mapping[str, Any], here: ProcessIdentity | None) -> set[str]:
    """Return the engines of a study that have ended for certain: not one whose note says what is not known here.

    Args:
        notes: the study's user attributes.
        here: this process.
    """
    processes = {name: ProcessIdentity.noted(note) for name, note in notes.items() if name.startswith(PROCESS)}
    return {name.removeprefix(PROCESS) for name, process in processes.items() if process and process.is_dead(here)}


def other_engines(study: optuna.Study) -> set[str]:
    """Return the engines other than its maker's whose trials a study has, or may yet have."""
    notes = study.user_attrs
    marks = {trial.user_attrs.get(ENGINE) for trial in study.get_trials(deepcopy=False)}
    known = {name.removeprefix(PROCESS) for name in notes if name.startswith(PROCESS)}
    alive = known - dead_engines(notes, ProcessIdentity.here())
    return {name for name in marks | alive if name} - set(notes.get(OWNERS, [])[:1])
