"""Start this very tunelab in a process of its own, installed or not."""

import os
import sys
import sysconfig
from pathlib import Path


def command(module: str) -> list[str]:
    """Return the command that runs a module; `-P` keeps out the working folder, where a `random.py` may lie."""
    return [sys.executable, "-P", "-m", module]


def import_path() -> dict[str, str]:
    """Return the environment variable that lets a fresh interpreter import this tunelab."""
    root = str(Path(__file__).parents[1])
    if root == sysconfig.get_path("purelib"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
