"""Everything that tunelab raises on purpose.

    TunelabError
    ├── InputError                  what a person gave is wrong; nothing was trained (exit code 2)
    │   ├── SpaceError              a range or a choice that cannot be searched
    │   ├── PluginError             a plugin that is unknown, doubled, broken or given a wrong field
    │   ├── ExperimentError         an experiment that contradicts itself, or a file without one
    │   ├── DataError               data that is missing, empty, ragged, not finite or does not fit the loss
    │   └── StoreError              a folder, storage or tracking server that cannot be used
    └── RunError                    something failed while running (exit code 1)
        ├── AllTrialsFailed         every trial ended the same bad way
        ├── TooManyFailures         so many trials failed in a row as may not
        ├── WorkerError             a training process stopped answering
        │   └── WorkerHung          it did not come to its next report in time, and was ended
        ├── StorageLost             a database that holds a study went away, and did not come back
        ├── CheckpointError         a checkpoint that cannot be written, or is damaged
        └── TrackingError           the mirror could not be completed

Every message says what was required, what was given, where, and what to do next.
"""

import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


NAMES_SHOWN = 20
"""Known names that an error message lists at most."""


class TunelabError(Exception):
    """The root: catch this to catch all that tunelab raises on purpose."""


class InputError(TunelabError):
    """What a person gave is wrong; nothing was trained."""


class SpaceError(InputError):
    """A range or a choice that cannot be searched."""


class PluginError(InputError):
    """A plugin that is unknown, doubled, broken or given a wrong field."""


class ExperimentError(InputError):
    """An experiment that contradicts itself, or a file without exactly one."""


class DataError(InputError):
    """Data that is missing, empty, ragged, not finite or does not fit the loss."""


class StoreError(InputError):
    """A folder, storage or tracking server that cannot be used."""


class RunError(TunelabError):
    """Something failed while running."""


class TooManyFailures(RunError):
    """So many trials failed in a row as a study does not bear.

    Attributes:
        study: the `Study` of those that ended, where it could be completed.
    """

    study: "Any" = None


class AllTrialsFailed(RunError):
    """Every trial ended the same bad way.

    Attributes:
        study: the `Study` of them, where it could be completed.
    """

    def __init__(self, message: str, study: "Any" = None) -> None:
        super().__init__(message)
        self.study = study


class WorkerError(RunError):
    """A training process stopped answering."""


class WorkerHung(WorkerError):
    """A training process did not come to its next report in time, and was ended.

    Attributes:
        trials: those that trained.
        reason: how long it took, and where it was.
    """

    def __init__(self, message: str, trials: tuple[int, ...] = (), reason: str = "") -> None:
        super().__init__(message)
        self.trials, self.reason = trials, reason


class StorageLost(RunError):
    """The database that holds a study went away, and did not come back."""


class CheckpointError(RunError):
    """A checkpoint that cannot be written, or is damaged."""


class TrackingError(RunError):
    """The mirror of a study could not be completed."""


def suggestion(given: str, known: "Iterable[str]") -> str:
    """Return the end of an error message: near names first, then all known names.

    >>> suggestion("adm", ["adam", "sgd"])
    "did you mean 'adam'? Known: adam, sgd"
    """
    names = sorted(known)
    near = get_close_matches(given, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{hint}Known: {', '.join(names[:NAMES_SHOWN]) or 'none'}{more}"


def in_words(error: BaseException) -> str:
    """Return an exception as a person reads it: its class, and its message if it has one.

    >>> in_words(ValueError("two rows")), in_words(KeyboardInterrupt())
    ('ValueError: two rows', 'KeyboardInterrupt')
    """
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def setting(name: str, value: object = None) -> str:
    """Return how an error message names a setting: as Python takes it, and as it is typed.

    >>> setting("trial_timeout"), setting("worker_memory", "2GB")
    ('trial_timeout (--trial-timeout)', "worker_memory='2GB' (--worker-memory 2GB)")
    """
    option = f"--{name.replace('_', '-')}"
    return f"{name} ({option})" if value is None else f"{name}={value!r} ({option} {shlex.quote(str(value))})"
