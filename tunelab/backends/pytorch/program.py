"""A module as a program: a file that runs where the code that made it is not."""

import io
import logging
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cloudpickle
import torch
from torch import nn
from torch.export import Dim

from tunelab.errors import TunelabError

TRACED, PICKLED = "best.pt2", "best.pth"
"""The file of a graph that `torch.export` traced, and that of a module that it cannot trace."""

CLOSE = 1e-4
"""How far apart outputs of module and graph may be: a graph has its own kernels where PyTorch fuses layers."""

_INSTALLED = tuple(Path(str(sysconfig.get_path(name))) for name in ("stdlib", "purelib", "platlib"))
_OURS = Path(__file__).parents[2]


class TraceError(TunelabError):
    """A graph that does not compute what its module does."""


def program_of(
    module: nn.Module, rows: torch.Tensor, *, ragged: bool = False
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return a module's program by the name of its file, and what is to be said of it.

    It is a graph of PyTorch's own operations, in which nothing is executed when it is loaded. A module that cannot be
    traced (control flow that depends on data) is pickled, with the person's classes in it.

    Args:
        module: in evaluation mode, on the CPU.
        rows: a batch that it takes, of two rows at least.
        ragged: whether batches differ in more than the number of their rows.
    """
    try:
        return {TRACED: _traced(module, rows, range(rows.dim() if ragged else 1))}, ()
    except Exception as error:
        why = _first_line(error)
    try:
        program = {PICKLED: _pickled(module)}
    except Exception as error:
        return {}, (f"the best module is kept as weights alone: torch.export: {why}; pickle: {_first_line(error)}",)
    return program, (
        f"the best module is pickled for MLflow, which runs its code when it is loaded: torch.export cannot trace it: "
        f"{why}",
    )


def _traced(module: nn.Module, rows: torch.Tensor, free: Iterable[int]) -> bytes:
    """Return the graph of a module whose input may differ in some dimensions."""
    with _quiet(), torch.no_grad():
        program = torch.export.export(module, (rows,), dynamic_shapes=(dict.fromkeys(free, Dim.AUTO),))
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        graph = torch.export.load(file).module()
        for batch in (rows, rows[:1], torch.cat([rows, rows])):
            _compare(_seeded(module, batch), _seeded(graph, batch))
    return file.getvalue()


def _compare(found: Any, again: Any) -> None:
    try:
        torch.testing.assert_close(again, found, rtol=CLOSE, atol=CLOSE, equal_nan=True)
    except AssertionError as error:
        raise TraceError(f"the graph computes something else: {_first_line(error)}") from None


def _seeded(module: nn.Module, rows: torch.Tensor) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return module(rows)


def _pickled(module: nn.Module) -> bytes:
    file = io.BytesIO()
    pickler = SimpleNamespace(__name__=cloudpickle.__name__, Pickler=cloudpickle.CloudPickler)
    known = cloudpickle.list_registry_pickle_by_value()
    theirs = [each for name, each in list(sys.modules.items()) if name not in known and _is_theirs(each)]
    try:
        for each in theirs:
            cloudpickle.register_pickle_by_value(each)
        torch.save(module, file, pickle_module=pickler)
    finally:
        for each in theirs:
            cloudpickle.unregister_pickle_by_value(each)
    return file.getvalue()


def _is_theirs(module: ModuleType) -> bool:
    """Whether it is a file of the person's own, which is not there where the program runs."""
    file = Path(getattr(module, "__file__", None) or "")
    return file.is_absolute() and not any(file.is_relative_to(folder) for folder in (*_INSTALLED, _OURS))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a tracer says on its way out of sight: what matters is whether it arrives."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
