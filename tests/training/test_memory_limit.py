"""What a process may hold: sizes, errors that come of it, and the limit itself in a process of its own."""

import subprocess
import sys
from errno import ENOENT, ENOMEM
from typing import Any

import numpy as np
import pytest

from tunelab.errors import ExperimentError
from tunelab.training.memory_limit import bytes_of, named, ran_out_of_memory


@pytest.mark.parametrize(
    ("size", "bytes_"), [("2GB", 2 * 10**9), ("0.5 GiB", 2**29), ("300MB", 300 * 10**6), ("1TiB", 2**40)]
)
def test_a_size_has_its_unit(size: str, bytes_: int) -> None:
    assert bytes_of(size) == bytes_


@pytest.mark.parametrize("size", ["2", "GB", "-2GB", "0GB", "2gb", "2 G", "1e3MB", "", 2])
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(
        ExperimentError,
        match=r"worker_memory \(--worker-memory\) must be a size above 0 with its unit .* as in '2GB', was",
    ):
        bytes_of(size)


def torch_lacks_memory() -> None:
    torch = pytest.importorskip("torch")
    torch.ones(2**52)


@pytest.mark.parametrize("allocate", [lambda: np.ones(2**52), lambda: bytearray(2**52), torch_lacks_memory])
def test_an_error_for_want_of_memory_is_known(allocate: Any) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate()
    assert ran_out_of_memory(caught.value)
    assert (
        named("why\n\ntrace", caught.value, "2GB")
        == "why; a worker may hold 2GB (worker_memory, --worker-memory)\n\ntrace"
    )
    assert named("why", caught.value, None) == "why"


def test_a_thread_that_cannot_start_lacks_memory_for_its_stack() -> None:
    assert ran_out_of_memory(RuntimeError("can't start new thread"))


def test_others_are_not_taken_for_one() -> None:
    assert ran_out_of_memory(OSError(ENOMEM, "Cannot allocate memory"))
    for other in (
        OSError(ENOENT, "no such file"),
        RuntimeError("CUDA out of memory"),
        ValueError("can't allocate memory"),
    ):
        assert not ran_out_of_memory(other)
        assert named("why", other, "2GB") == "why"


HOLDS = """
from tunelab.training.memory_limit import hold_to
hold_to("500MB")
bytearray(200_000_000)
try:
    bytearray(600_000_000)
except MemoryError:
    print("no more")
"""


def test_a_process_holds_that_much_and_no_more() -> None:
    done = subprocess.run([sys.executable, "-c", HOLDS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "no more\n"
