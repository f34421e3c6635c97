"""Repeats what failed because a store does not answer, and tells that from what a store refuses."""

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import OperationalError

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 5.0  # seconds between attempts: how late a store that came back is noticed

_REFUSALS = frozenset(
    {
        "BAD_REQUEST",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "NOT_IMPLEMENTED",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
        "UNAUTHENTICATED",
    }
)

FAILURES = (MlflowException, RequestException, OperationalError, OSError)
"""What a call raises where the store is to blame."""

P = ParamSpec("P")
R = TypeVar("R")


class RefusalError(Exception):
    """The store answered, and will answer the same again."""


class Patience:
    """Calls until the store answers.

    Args:
        server: whether an MLflow server is asked; a database answers for itself, so there only its own
            "temporarily unavailable" is waited for.
        unattended: whether nobody waits for the result any more; then it gives up after `limit` seconds.

    Attributes:
        lost: calls without an answer: what they asked for may have been done, or may still be.
    """

    def __init__(self, *, server: bool, unattended: Callable[[], bool], limit: float = 60.0) -> None:
        self.lost = 0
        self._server = server
        self._unattended = unattended
        self._limit = limit

    def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the call returns; raise RefusalError where it never will, and its error when giving up."""
        began, pause = time.monotonic(), 0.25
        while True:
            try:
                return call(*args, **kwargs)
            except FAILURES as error:
                if not self._may_pass(error):
                    raise RefusalError(str(error)) from error
                self.lost += 1
                if self._unattended() and time.monotonic() - began > self._limit:
                    raise
                _log.warning("the store does not answer, trying again in %.2g s: %s", pause, error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _may_pass(self, error: Exception) -> bool:
        if not isinstance(error, MlflowException):
            return True
        return error.error_code not in _REFUSALS if self._server else error.error_code == "TEMPORARILY_UNAVAILABLE"
