"""Commands measured from outside: wall time, CPU seconds with those of their children, and memory."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}


@dataclass(frozen=True)
class Ran:
    """A command that ended well.

    Attributes:
        began: Unix seconds.
        wall_s, cpu_s: of the process; CPU with all children that it waited for.
        peak_mb: the largest of the processes'.
        output: its standard output.
    """

    began: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def python(*arguments: str, folder: Path) -> Ran:
    """Run this interpreter with these arguments in a folder, alone."""
    (ran,) = together([arguments], folder)
    return ran


def together(commands: Sequence[Sequence[str]], folder: Path) -> list[Ran]:
    """Run this interpreter once for each list of arguments, all at the same time.

    Raises:
        RuntimeError: one of them failed; says what it printed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    environment |= ONE_THREAD | QUIET | {"PYTHONPATH": str(ROOT)}
    started = []
    for number, arguments in enumerate(commands):
        out, err = (folder / f"{name}-{number}" for name in ("stdout", "stderr"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            began = time.time()
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        started.append((process, began, out, err))
    return [_waited(*entry) for entry in started]


def _waited(process: "subprocess.Popen[bytes]", began: float, out: Path, err: Path) -> Ran:
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.time() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, process.args))} ended with {process.returncode}:\n{err.read_text()}")
    return Ran(began, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read_text())
