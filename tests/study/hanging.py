"""What never comes back, in the ways in which code does that; only where a test asks for it."""

import ctypes
import os
import time
from typing import Any

from tunelab.contracts import Layer
from tunelab.models import MLP
from tunelab.optimizers import SGD

HOW = "TUNELAB_TEST_HANG"
"""The environment variable that says in which way."""


def hang() -> None:
    """Hang as the test wants it, or not at all."""
    how = os.environ.get(HOW)
    if how == "python":
        while True:
            pass
    if how == "sleep":
        time.sleep(600)
    if how == "native":
        lock_twice(ctypes.CDLL(None))
    if how == "native, holding the interpreter":
        lock_twice(ctypes.PyDLL(None))


def lock_twice(library: Any) -> None:
    """Wait for oneself, which no signal ends."""
    mutex = ctypes.create_string_buffer(64)  # of zeros, as it is when it is new
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


class Stuck(SGD):
    """A rule that hangs in its first step."""

    def update(self, xp: Any, *given: Any) -> None:
        hang()
        super().update(xp, *given)


class StuckModel(MLP):
    """A network that hangs while it is laid out, if it is wide."""

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        if self.width == 16:
            hang()
        return super().layers(inputs, outputs)
