"""What a worker's process may hold in memory, and how to know an error that comes of it."""

import gc
import re
import sys
from errno import ENOMEM
from pathlib import Path

import numpy as np

from tunelab.errors import ExperimentError, setting

UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_LACKS = re.compile(r"can't allocate memory|std::bad_alloc|can't start new thread")
"""What torch says, and Python of a thread, in a `RuntimeError`, where the machine gives no memory."""


def bytes_of(size: str) -> int:
    """Return how many bytes a size is.

    Raises:
        ExperimentError: text that is no size.

    >>> bytes_of("1.5GB"), bytes_of("512 MiB")
    (1500000000, 536870912)
    """
    found = re.fullmatch(rf"(\d+\.?\d*) ?({'|'.join(UNITS)})", size) if isinstance(size, str) else None
    number = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if number <= 0:
        raise ExperimentError(
            f"{setting('worker_memory')} must be a size above 0 with its unit ({', '.join(UNITS)}), as in '2GB', was "
            f"{size!r}"
        )
    return number


def hold_to(size: str) -> None:
    """Let this process hold so much and no more: an allocation beyond it raises. What it starts has the same limit.

    What counts is its data (`RLIMIT_DATA`): all private memory that may be written to, used or not. Shared memory,
    files that are mapped, and what a GPU holds do not.

    Raises:
        ExperimentError: a system that has no such limit; or one that the process is beyond already.
    """
    if sys.platform != "linux":
        raise ExperimentError(
            f"{setting('worker_memory', size)}: only Linux limits it, this is {sys.platform}; leave it out"
        )
    import resource

    square = np.ones((256, 256))
    square @ square  # OpenBLAS takes its own memory at the first product, and ends the process if it gets none
    most, held = bytes_of(size), _held()
    if held >= most:
        raise ExperimentError(
            f"{setting('worker_memory', size)}: before it trains, a worker of this study holds {held / 1e6:.0f} MB "
            "(Python, libraries and data); give it that and what a trial needs"
        )
    gc.freeze()  # what is here stays: looking for circles takes a tenth of the time from now on
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the machine gave no more memory; what a GPU lacks is another matter.

    >>> ran_out_of_memory(MemoryError()), ran_out_of_memory(RuntimeError("CUDA out of memory"))
    (True, False)
    """
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_LACKS.search(str(error))))


def named(reason: str, error: BaseException, size: str | None) -> str:
    """Return a failure's reason, which names the limit in its first line if that is what it comes of.

    Args:
        reason: so far.
        error: what was raised.
        size: the limit, where there is one.
    """
    if size is None or not ran_out_of_memory(error):
        return reason
    first, line, rest = reason.partition("\n")
    return f"{first}; a worker may hold {size} (worker_memory, --worker-memory){line}{rest}"


def _held() -> int:
    """Return the bytes of this process's data."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmData:"))
    return int(line.split()[1]) * 1024
