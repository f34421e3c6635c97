"""By which a process is known for certain, so that another can tell whether it has ended."""

import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

OUTERMOST = "pid:[4026531836]"
"""The process namespace of a machine itself, which is no container's: the number is the kernel's, for ever."""


@dataclass(frozen=True)
class ProcessIdentity:
    """One process among all that ever ran.

    Attributes:
        host: the machine's name.
        machine: its `/etc/machine-id`; empty where it has none.
        boot: the kernel's boot, which has a new name each time.
        namespace: where its number counts: the machine's, or a container's.
        number: the process's.
        started: the kernel's clock when it began, by which it is told from a later one of that number.
    """

    host: str
    machine: str
    boot: str
    namespace: str
    number: int
    started: int

    @classmethod
    def here(cls) -> "ProcessIdentity | None":
        """Return this process's; None where the kernel does not say, or speaks of other processes' numbers."""
        try:
            number = os.getpid()
            if os.readlink("/proc/self") != str(number):  # the outer /proc, in a container
                return None
            boot, namespace = _text("/proc/sys/kernel/random/boot_id"), os.readlink("/proc/self/ns/pid")
            return cls(socket.gethostname(), _machine(), boot, namespace, number, _state(number)[1])
        except OSError:
            return None

    @classmethod
    def noted(cls, note: Any) -> "ProcessIdentity | None":
        """Return the process that a note tells of, as `asdict` makes it; None for a note that cannot be read."""
        if not isinstance(note, dict) or {key: type(note[key]) for key in note} != _FIELDS:
            return None
        return cls(**note)

    def is_dead(self, here: "ProcessIdentity | None") -> bool:
        """Whether this process has ended for certain, seen from another: one that cannot be seen may be alive."""
        if here is None:
            return False
        if self.boot != here.boot:
            return self._is_outside_containers(here) and (self.host, self.machine) == (here.host, here.machine)
        return self.namespace == here.namespace and not self._is_running()

    def _is_outside_containers(self, here: "ProcessIdentity") -> bool:
        """Whether the machine's name and number are its own: containers of one image may share both."""
        return bool(self.machine) and self.namespace == here.namespace == OUTERMOST

    def _is_running(self) -> bool:
        try:
            os.kill(self.number, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):  # somebody else's, or no system's number
            pass
        try:
            state, started = _state(self.number)
        except OSError:  # hidden, or gone this moment
            return True
        return started == self.started and state not in "ZX"


_FIELDS = {field.name: field.type for field in fields(ProcessIdentity)}


def _state(process: int) -> tuple[str, int]:
    """Return a process's state, and when it began; its name, which comes before them, may hold anything."""
    fields = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _machine() -> str:
    try:
        return _text("/etc/machine-id")
    except OSError:
        return ""


def _text(path: str) -> str:
    return Path(path).read_text(errors="replace").strip()
