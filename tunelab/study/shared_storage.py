"""Optuna's storage in a database: several engines may work in it, and it may go away for a while."""

import copy
import json
import logging
import time
import weakref
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tunelab.errors import StorageLost

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds that an engine waits for a database that does not answer."""

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
"""Seconds between two tries: doubled from the first to the longest."""

ENGINE = "tunelab.engine"
"""The user attribute of a trial that says which engine runs it."""

ASK = "tunelab.ask"
"""The user attribute of a trial that says which of that engine's trials it is, from 0."""

_SOCKETS = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""So that a host that vanished is noticed: libpq's own settings would wait for it for minutes, or hours."""

_log = logging.getLogger(__name__)


class Lost(Exception):
    """A database did not answer: what it was asked may have been done, or not."""


class SharedStorage(BaseStorage):
    """Optuna's storage in a database.

    While the database is away, a call waits and tries again. Every call is one transaction; what may have been done
    before the answer was lost is not done twice: a new trial carries a mark of who asked for it and as which, by which
    it is found again, and a trial that has ended as it was told to is left so. Everything else may be done twice.

    An enqueued trial is run by the engine that owns the study, so that nobody else can have taken it when the answer
    is lost. It is marked before it runs, so that a trial that runs never bears another engine's mark.

    Args:
        url: the database's.
        shown: the same without its password, for messages.
        engine: who works here: the mark of each trial that is created or taken here.
        is_owner: whether this engine made the study, or took it over from who did.

    Attributes:
        engine: as given.
        is_owner: as given, until this engine takes the place of one that died.
    """

    def __init__(self, url: str, *, shown: str, engine: str, is_owner: bool) -> None:
        from sqlalchemy import event

        database = RDBStorage(_plain(url), _engine_settings(url))
        event.listen(database.engine, "handle_error", _raise_lost)
        weakref.finalize(self, database.engine.dispose)  # or its connections would be left open
        self._database = database.engine
        self._inner = get_storage(database)
        self._shown = shown
        self.is_owner = is_owner
        self._patience = PATIENCE
        self._asks = 0
        self.engine = engine

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Return the identifier of a new trial, which is marked as this engine's."""
        new = create_trial(state=TrialState.RUNNING) if template_trial is None else copy.deepcopy(template_trial)
        ask = self._next_ask()
        new.user_attrs = {**new.user_attrs, ENGINE: self.engine, ASK: ask}

        def again() -> int:
            found = self._asked(study_id, ask)
            return self._inner.create_new_trial(study_id, new) if found is None else found

        return self._answer(lambda: self._inner.create_new_trial(study_id, new), again)

    def _next_ask(self) -> int:
        ask, self._asks = self._asks, self._asks + 1
        return ask

    def _asked(self, study_id: int, ask: int) -> int | None:
        """Return the trial that this engine asked for then, if it was created."""
        for trial in self._inner.get_all_trials(study_id, deepcopy=False):
            if (trial.user_attrs.get(ENGINE), trial.user_attrs.get(ASK)) == (self.engine, ask):
                return trial._trial_id
        return None

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Move a trial to a state; return False for one that somebody else took."""

        def once() -> bool:
            return self._inner.set_trial_state_values(trial_id, state, values)

        def again() -> bool:
            try:
                return once() or self.is_owner  # nobody else takes an enqueued trial
            except UpdateFinishedTrialError:
                if self._inner_state(trial_id) != (state, values and list(values)):
                    raise
                return True

        if state is TrialState.RUNNING:
            self._mark(trial_id)
        return self._answer(once, again)

    def _mark(self, trial_id: int) -> None:
        """Mark an enqueued trial as this engine's, unless it is: who enqueued it may have died, and asked as often."""
        if self.get_trial(trial_id).user_attrs.get(ENGINE) != self.engine:
            self.set_trial_user_attr(trial_id, ASK, self._next_ask())
            self.set_trial_user_attr(trial_id, ENGINE, self.engine)

    def _inner_state(self, trial_id: int) -> tuple[TrialState, list[float] | None]:
        trial = self._inner.get_trial(trial_id)
        return trial.state, trial.values

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials in these states; of those that wait none but to the study's owner."""
        only_waiting: Any = (TrialState.WAITING,)
        if states == only_waiting and not self.is_owner:
            return []
        return self._answer(lambda: self._inner.get_all_trials(study_id, deepcopy, states))

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Return the identifier of a new study: nothing has trained yet, so nothing is tried again."""
        try:
            return self._inner.create_new_study(directions, study_name)
        except Lost as lost:
            raise StorageLost(
                f"the storage {self._shown} went away while {study_name} was made in it ({lost}); "
                "see that it runs, then run again"
            ) from lost

    def delete_study(self, study_id: int) -> None:
        """Delete a study and its trials."""
        self._answer(lambda: self._inner.delete_study(study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        self._answer(lambda: self._inner.set_study_user_attr(study_id, key, value))

    def swap_study_user_attr(self, study_id: int, key: str, before: Any, after: Any) -> bool:
        """Set a user attribute of a study if it is what it was; return False if somebody else was first.

        Optuna has no such thing. Where an answer was lost, `after` must say whose it is.
        """
        from sqlalchemy import column, table, update

        attributes = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))
        where = (
            attributes.c.study_id == study_id,
            attributes.c.key == key,
            attributes.c.value_json == json.dumps(before),
        )

        def once() -> bool:
            with self._database.begin() as connection:
                swap = update(attributes).where(*where).values(value_json=json.dumps(after))
                return connection.execute(swap).rowcount == 1

        def again() -> bool:
            return once() or self._inner.get_study_user_attrs(study_id).get(key) == after

        return self._answer(once, again)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a study."""
        self._answer(lambda: self._inner.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return a study's identifier; raise KeyError for a name that there is not."""
        return self._answer(lambda: self._inner.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return a study's name."""
        return self._answer(lambda: self._inner.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return a study's directions."""
        return self._answer(lambda: self._inner.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's user attributes."""
        return self._answer(lambda: self._inner.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's system attributes."""
        return self._answer(lambda: self._inner.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[Any]:
        """Return every study."""
        return self._answer(lambda: self._inner.get_all_studies())

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter of a trial."""
        self._answer(lambda: self._inner.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Note a report of a trial."""
        self._answer(lambda: self._inner.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a trial."""
        self._answer(lambda: self._inner.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a trial."""
        self._answer(lambda: self._inner.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial."""
        return self._answer(lambda: self._inner.get_trial(trial_id))

    def _answer(self, call: Callable[[], T], again: Callable[[], T] | None = None) -> T:
        """Return what a call returns; once an answer was lost, what `again` returns.

        Raises:
            StorageLost: the database stayed away; from then on at once.
        """
        wait, began = FIRST_WAIT, time.monotonic()
        try:
            return call()
        except Lost as lost:
            why = lost
        if self._patience:
            _log.warning("the storage %s does not answer; trying again for %d s: %s", self._shown, self._patience, why)
        while time.monotonic() - began < self._patience:
            try:
                time.sleep(wait)
                found = (again or call)()
            except Lost as lost:
                wait, why = min(2 * wait, LONGEST_WAIT), lost
            except KeyboardInterrupt:  # who stops now does not want to wait for every trial that is open
                self._patience = 0.0
                raise
            else:
                _log.warning("the storage %s answers again", self._shown)
                return found
        self._patience = 0.0
        raise StorageLost(
            f"the storage {self._shown} did not answer for {time.monotonic() - began:.0f} s ({why}); what ended before "
            "is kept in it. See that it runs and can be reached; then resume the study, or join it where it is shared"
        )


def _raise_lost(context: "ExceptionContext") -> None:
    """Raise `Lost` in place of SQLAlchemy's own error, which Optuna would try again without knowing what was done."""
    from sqlalchemy.exc import OperationalError

    if context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        lines = str(context.original_exception).splitlines() or [type(context.original_exception).__name__]
        raise Lost(lines[0])


def _plain(url: str) -> str:
    """Return a URL whose braces mean themselves: Optuna would fill them in."""
    return url if "{SCHEMA_VERSION}" in url else url.replace("{", "{{").replace("}", "}}")


def _engine_settings(url: str) -> dict[str, Any]:
    from sqlalchemy import make_url

    place = make_url(url)
    is_libpq = place.get_backend_name() == "postgresql" and place.get_driver_name().startswith("psycopg")
    sockets = {key: value for key, value in _SOCKETS.items() if key not in place.query}
    return {"connect_args": sockets} if is_libpq else {}
