"""Law 8: a file imports only from rooms above its own; and who may import what from outside."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import tunelab

ROOT = Path(tunelab.__file__).parent

ROOMS = (
    ("errors", "interpreter", "callbacks", "credentials"),
    ("space",),
    ("trial",),
    ("checkpoint",),
    ("contracts",),
    ("plugins",),
    ("drawing", "encoding"),
    ("optimizers", "schedules", "models", "data"),
    ("searchable",),
    ("experiments", "loop"),
    ("backends",),
    ("training",),
    ("executors",),
    ("tracking",),
    ("study",),
    ("testing",),
    ("cli",),
)
"""From top to bottom; those of one row see each other where a file says so below."""

NEIGHBOURS = {("encoding", "drawing")}
"""Imports inside a row, beside those inside a room."""

DOORS = {("searchable", "study")}
"""Imports upstream, inside a function only: `Experiment.run` is how a person starts a study."""

OUTSIDE: dict[str, set[str]] = {
    "errors": set(),
    "interpreter": set(),
    "callbacks": set(),
    "credentials": set(),
    "space": set(),
    "trial": {"numpy"},
    "checkpoint": {"numpy", "torch"},
    "contracts": {"numpy", "pydantic"},
    "plugins": set(),
    "drawing": set(),
    "encoding": set(),
    "optimizers": {"numpy", "pydantic", "torch"},
    "schedules": {"numpy", "pydantic"},
    "models": {"numpy", "pydantic", "torch"},
    "data": {"numpy", "pydantic", "pandas", "torch"},
    "searchable": {"pydantic"},
    "experiments": {"pydantic"},
    "loop": {"pydantic"},
    "backends": {"numpy", "torch", "cloudpickle"},
    "training": {"numpy", "torch", "safetensors"},
    "executors": {"cloudpickle", "threadpoolctl"},
    "tracking": {"numpy"},
    "study": {"numpy", "optuna", "pandas", "pydantic", "sqlalchemy"},
    "testing": {"numpy", "pytest"},
    "cli": {"typer", "rich", "cloudpickle"},
    "tunelab": set(),
}
"""Packages that each room may import, beside the standard library."""

MLFLOW = {"mlflow", "pandas", "requests", "sqlalchemy", "torch"}
"""What files named `mlflow_*` in tracking may import too: in the writer's process, in MLflow's own, or to reproduce."""

LAZY = {"pandas"}
"""Packages that no file may import at its top: 0.5 s at start."""

TORCH = ("backends/pytorch/", "data/pytorch/", "models/modules/")
"""Folders whose files may import torch at their top, 1.9 s; others import them where they are used."""


@dataclass(frozen=True)
class Import:
    file: str
    line: int
    module: str
    lazy: bool
    typing: bool

    def __str__(self) -> str:
        return f"tunelab/{self.file}:{self.line} imports {self.module}"

    @property
    def room(self) -> str:
        return room_of("tunelab." + self.file.removesuffix(".py").replace("/", "."))

    @property
    def package(self) -> str:
        return self.module.split(".")[0]


def room_of(module: str) -> str:
    parts = module.split(".")
    return "tunelab" if len(parts) == 1 or parts[1] == "__init__" else parts[1]


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for path in sorted(ROOT.rglob("*.py")) for found in imports_of(path))


def imports_of(path: Path) -> Iterator[Import]:
    file = str(path.relative_to(ROOT))

    def visit(node: ast.AST, *, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            only_typing = typing or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(file, child.lineno, alias.name, inside, only_typing)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}: relative imports hide where a name lives"
                yield from named(child, inside, only_typing)
            else:
                yield from visit(child, lazy=inside, typing=only_typing)

    def named(node: ast.ImportFrom, lazy: bool, typing: bool) -> Iterator[Import]:
        assert node.module is not None
        for alias in node.names:
            inner = ROOT.parent / node.module.replace(".", "/") / alias.name
            is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
            module = f"{node.module}.{alias.name}" if is_module else node.module
            yield Import(file, node.lineno, module, lazy, typing)

    yield from visit(ast.parse(path.read_text()), lazy=False, typing=False)


def row(room: str) -> int:
    return next(index for index, rooms in enumerate(ROOMS) if room in rooms)


def goes_up(found: Import) -> bool:
    """Whether an import is of the own room, of one above, or through a door."""
    here, there = found.room, room_of(found.module)
    if here == "tunelab" or here == there or found.typing:
        return True
    if found.lazy and (here, there) in DOORS:
        return True
    if there == "tunelab":
        return here == "cli"  # for the version
    return row(there) < row(here) or (here, there) in NEIGHBOURS


def test_every_room_is_known() -> None:
    known = {room for rooms in ROOMS for room in rooms}
    assert {found.stem for found in ROOT.iterdir() if found.suffix == ".py" or found.is_dir()} - known == {
        "__init__",
        "__pycache__",
    } & {found.stem for found in ROOT.iterdir()}
    assert known | {"tunelab"} == set(OUTSIDE)


def test_the_page_on_architecture_lists_the_rooms_in_this_order() -> None:
    lines = (ROOT.parent / "docs/architecture.md").read_text().partition("## The rooms")[2].splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    listed = [tuple(name.strip(" `/").removesuffix(".py") for name in cell.split(",")) for cell in cells]
    assert tuple(listed) == ROOMS


def test_a_file_imports_only_from_rooms_above() -> None:
    wrong = [str(found) for found in imports() if found.package == "tunelab" and not goes_up(found)]
    assert wrong == []


def test_a_file_imports_only_the_packages_of_its_room() -> None:
    wrong = []
    for found in imports():
        allowed = set(OUTSIDE[found.room])
        if found.room == "tracking" and Path(found.file).name.startswith("mlflow_"):
            allowed |= MLFLOW
        if (found.room, Path(found.file).name) == ("executors", "ray.py"):
            allowed |= {"ray"}
        if found.package not in {"tunelab", *allowed} | sys.stdlib_module_names and not found.typing:
            wrong.append(str(found))
    assert wrong == []


def test_one_room_imports_optuna_and_one_mlflow() -> None:
    assert {found.room for found in imports() if found.package == "optuna"} == {"study"}
    assert {found.room for found in imports() if found.package == "mlflow"} == {"tracking"}
    assert not any(found.package == "sklearn" for found in imports())


def test_what_is_slow_to_import_is_imported_where_it_is_used() -> None:
    at_the_top = [found for found in imports() if not (found.lazy or found.typing)]
    assert [str(found) for found in at_the_top if found.package in LAZY] == []
    assert [str(found) for found in at_the_top if found.package == "torch" and not found.file.startswith(TORCH)] == []


def test_no_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for found in imports():
        if found.package == "tunelab" and not found.lazy and not found.typing:
            module = "tunelab." + found.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            graph.setdefault(module, set()).add(found.module)
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, (*path, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())


@pytest.mark.parametrize(
    "module",
    [f"tunelab.{name}" for rooms in ROOMS for name in rooms],
)
def test_a_room_can_be_imported_first(module: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {module}"], check=True, timeout=60)


HEAVY = ("optuna", "mlflow", "pandas", "torch", "sklearn", "scipy", "typer", "rich", "sqlalchemy")


def loaded(code: str) -> set[str]:
    """Return which heavy packages are loaded after running the code in a process of its own."""
    ask = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


TRAIN = """
import cloudpickle, pickle
from tunelab.executors.worker import main
from tunelab.training.trainer import Job, Trainer
from tunelab.experiments import Experiment
from tunelab.data.split import split
from tunelab.trial import Orders, Trial
experiment = Experiment(name="digits", data="digits", model="softmax-regression", optimizer="adam", epochs=1)
class Middle:
    def number(self, name, within, default): return within.at(0.5)
    def option(self, name, labels, default): return labels[0]
trainer = Trainer(pickle.loads(cloudpickle.dumps(Job(experiment, split(experiment.data.load())))))
progress = trainer.round(Orders(start=(Trial(0, 1, experiment.draw(Middle())),)))
assert len(progress.reports) == 1 and progress.ended[0].state == "complete", progress
"""


def test_a_worker_trains_without_what_is_heavy() -> None:
    assert loaded(TRAIN) == set()


def test_importing_tunelab_loads_nothing_heavy() -> None:
    assert loaded("import tunelab") == set()
    assert loaded("from tunelab import Choice, Experiment, Float, Int, Trial") == set()


def test_the_engine_does_not_load_mlflow() -> None:
    assert not {"mlflow", "pandas", "torch", "sklearn"} & loaded("import tunelab.study")


def calls(*names: str) -> dict[str, set[str]]:
    """Return which of the functions, by the last part of their name, each file calls."""
    found: dict[str, set[str]] = {}
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if called in names:
                found.setdefault(file.relative_to(ROOT).as_posix(), set()).add(called)
    return found


def test_one_file_imports_what_a_record_names() -> None:
    """It asks who vouches for it; the others import what stands in tunelab's own code, or a file that a person gave."""
    own = {"__init__.py", "tracking/__init__.py", "study/__init__.py"}
    importers = {"import_module", "__import__", "run_path", "run_module", "exec_module", "EntryPoint"}
    found = {file: names for file, names in calls(*importers).items() if file not in own}
    assert found == {
        "contracts/places.py": {"import_module"},
        "plugins.py": {"EntryPoint"},
        "cli/load_experiment.py": {"exec_module"},
    }


def test_experiments_are_read_from_stores_in_one_place() -> None:
    """The others read what lies in a study's own folder, or what a person gave."""
    assert set(calls("from_json", "restored")) == {
        "study/stored.py", "study/resume.py", "study/widen.py", "loop.py", "testing/contract.py"
    }  # fmt: skip


PICKLES = {
    *(f"{package}.{name}" for package in ("pickle", "_pickle", "cloudpickle", "dill", "marshal", "joblib", "torch")
      for name in ("load", "loads", "Unpickler")),
    *("torch.jit.load", "torch.hub.load", "torch.serialization.load", "torch.package.PackageImporter", "shelve.open"),
    *("pandas.read_pickle", "pandas.io.pickle.read_pickle", "mlflow.pytorch.load_model", "mlflow.pyfunc.load_model"),
}  # fmt: skip
"""What runs code that it finds in what it reads."""


def pickles_read(text: str) -> set[str]:
    """Return which of these a module's text names, whatever it imports them as; NumPy's too, unless told not to."""
    tree, known = ast.parse(text), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                known[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            found |= {f"{known.get(first, first)}{dot}{rest}"} & PICKLES
        elif isinstance(node, ast.Call):
            given = [ast.unparse(each.value) for each in node.keywords if each.arg == "allow_pickle"]
            first, dot, rest = ast.unparse(node.func).partition(".")
            called = f"{known.get(first, first)}{dot}{rest}"
            if given not in ([], ["False"]) or (called == "numpy.load" and given != ["False"]):
                found.add(called)
    return found


def test_only_executors_read_pickles_which_come_from_processes_of_their_own() -> None:
    """Loading a pickle runs what it says: none is read from a file, a store or an artifact, where others may write.

    But for the one that MLflow calls when a person loads a model from it, which MLflow itself would unpickle.
    """
    found = {file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if pickles_read(file.read_text())}
    assert found == {
        "executors/ray.py", "executors/worker.py", "executors/process.py", "testing/optimizer.py",
        "tracking/mlflow_model.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        ("import pickle\npickle.load(file)", "pickle.load"),
        ("import pickle as p\np.loads(text)", "pickle.loads"),
        ("from pickle import loads as read\nread(text)", "pickle.loads"),
        ("def f():\n    import pickle\n    return map(pickle.loads, texts)", "pickle.loads"),
        ("import pickle\nclass Own(pickle.Unpickler): ...", "pickle.Unpickler"),
        ("from pickle import Unpickler\nUnpickler(file).load()", "pickle.Unpickler"),
        ("import cloudpickle\ncloudpickle.loads(text)", "cloudpickle.loads"),
        ("import joblib\njoblib.load(file)", "joblib.load"),
        ("import torch\ntorch.load(file, weights_only=False)", "torch.load"),
        ("from torch import load\nload(file)", "torch.load"),
        ("import torch.serialization\ntorch.serialization.load(file)", "torch.serialization.load"),
        ("import pandas as pd\npd.read_pickle(file)", "pandas.read_pickle"),
        ("from pandas import read_pickle\nread_pickle(file)", "pandas.read_pickle"),
        ("import numpy as np\nnp.load(file, allow_pickle=True)", "numpy.load"),
        ("import numpy as np\nnp.load(file, allow_pickle=given)", "numpy.load"),
        ("import numpy as np\nnp.load(file, None, True)", "numpy.load"),
        ("from numpy.lib import format\nformat.read_array(file, allow_pickle=True)", "numpy.lib.format.read_array"),
    ],
)
def test_whoever_would_read_a_pickle_is_found(text: str, reader: str) -> None:
    assert pickles_read(text) == {reader}


def test_who_reads_none_is_not_taken_for_it() -> None:
    text = "import json, pickle, numpy as np\njson.loads(t)\npickle.dumps(x)\nnp.load(f, allow_pickle=False)"
    assert pickles_read(text) == set()
