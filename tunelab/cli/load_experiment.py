"""Loads the experiment of a Python file, the way Python runs a script: the file's folder comes first on `sys.path`."""

import os
import sys
import traceback
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import cloudpickle

from tunelab.errors import ExperimentError, TunelabError, suggestion
from tunelab.searchable import Searchable


def load_experiment(spec: str, called: str | None = None) -> tuple[Searchable, Path]:
    """Return the experiment that `FILE` defines at module level, or the one that `FILE:NAME` names; and its file.

    Where a file defines several and none is named, that is taken whose own name is `called`.

    What else the file defines reaches the training process by value, since no module of that name is to be found there.

    Raises:
        ExperimentError: no such file, a file that raises, defines no experiment, or several and no name is given.
    """
    file, name = file_and_name(spec)
    path = _existing(file)
    module = _import(path)
    cloudpickle.register_pickle_by_value(module)
    return _named(module, path, name) if name else _only(module, path, called), path


def file_and_name(spec: str) -> tuple[Path, str]:
    """Return the parts of `FILE:NAME`; the name is empty where there is none.

    >>> file_and_name("some/digits.py:wide")
    (PosixPath('some/digits.py'), 'wide')
    """
    file, _, name = spec.rpartition(":")
    return (Path(file), name) if file and name.isidentifier() else (Path(spec), "")


def _existing(path: Path) -> Path:
    if os.path.isdir(path):  # which never raises, however long the name
        raise ExperimentError(f"{path} is a folder; a Python file is needed{_files(path)}")
    if not os.path.isfile(path):
        raise ExperimentError(f"there is no file {path}{_near(path)}")
    if path.suffix != ".py":
        raise ExperimentError(f"an experiment is defined in a Python file (.py), not in {path}")
    return path


def _near(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f"; there is no folder {path.parent} either"
    near = sorted(Path().glob(f"*/{path.name}"))
    if not near:
        names = [file.name for file in path.parent.glob("*.py")]
        near = [path.parent / name for name in get_close_matches(path.name, names, n=3, cutoff=0.5)]
    return f"; did you mean {' or '.join(map(str, near))}?" if near else _files(path.parent)


def _files(folder: Path) -> str:
    files = sorted(file.name for file in folder.glob("*.py"))
    return f"; in {folder} are {', '.join(files[:8])}{', ...' if len(files) > 8 else ''}" if files else ""


def _import(path: Path) -> ModuleType:
    if path.stem in sys.modules:
        raise ExperimentError(f"{path} has the name of a module that is in use, {path.stem}; rename the file")
    spec = spec_from_file_location(path.stem, path.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = _line(error, path)
        raise ExperimentError(f"{path}{f', line {line}' if line else ''}: {_said(error)}") from error
    return module


def _line(error: BaseException, path: Path) -> int | None:
    """Return the last line of the file that had a part in the error."""
    if isinstance(error, SyntaxError) and error.filename == str(path.absolute()):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(path.absolute())), None)


def _said(error: BaseException) -> str:
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        text += f"; install the package that brings it, as a rule: pip install {error.name.partition('.')[0]}"
    return text if isinstance(error, TunelabError) else f"{type(error).__name__}{text and ': '}{text}"


def _named(module: ModuleType, path: Path, name: str) -> Searchable:
    found = vars(module).get(name)
    if isinstance(found, Searchable):
        return found
    if name in vars(module):
        raise ExperimentError(f"{name} in {path} is not an experiment; {suggestion(name, _experiments(module))}")
    raise ExperimentError(f"{path} defines no experiment {name!r}; {suggestion(name, _experiments(module))}")


def _only(module: ModuleType, path: Path, called: str | None) -> Searchable:
    found = _experiments(module)
    found = {name: each for name, each in found.items() if each.name == called} or found
    if len(set(map(id, found.values()))) == 1:
        return next(iter(found.values()))
    if not found:
        raise ExperimentError(f"{path} defines no experiment; at module level, write: experiment = Experiment(...)")
    names, first = ", ".join(found), next(iter(found))
    raise ExperimentError(f"{path} defines {len(found)} experiments: {names}; choose one, as in {path}:{first}")


def _experiments(module: ModuleType) -> dict[str, Searchable]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Searchable) and not name.startswith("_")
    }
