"""Every public name is described, and every example in a docstring runs."""

import ast
import doctest
import importlib
import inspect
import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tunelab

ROOT = Path(tunelab.__file__).parent
NEEDS_TORCH = re.compile(r"^(?:    >>> )?(import|from) (torch|tunelab\.backends\.pytorch)", re.M)


def examples() -> list[Any]:
    """Return every example; modules without any are not imported, since some bring MLflow, which takes seconds.

    Where PyTorch is not installed, a module that needs it stands for its examples, to be seen to be skipped.
    """
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: list[Any] = []
    for path in sorted(ROOT.rglob("*.py")):
        if ">>>" in path.read_text():
            name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
            if NEEDS_TORCH.search(path.read_text()) and not find_spec("torch"):
                found.append(pytest.param(None, marks=pytest.mark.torch, id=name))
            else:
                tests = (test for test in finder.find(imported(name), name) if test.examples)
                found += [pytest.param(test, id=test.name) for test in tests]
    return found


def imported(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, at import
        return importlib.import_module(name)


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 60


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: doctest.DocTest, request: pytest.FixtureRequest) -> None:
    example.globs["getfixture"] = request.getfixturevalue
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)


def public_definitions(path: Path) -> list[str]:
    """Return the public classes, functions, methods and modules of a file that have no docstring."""
    tree = ast.parse(path.read_text())
    found = [] if ast.get_docstring(tree) else ["module"]

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
                if not ast.get_docstring(child) and not is_override(child):
                    found.append(prefix + child.name)
                if isinstance(child, ast.ClassDef):
                    visit(child, f"{prefix}{child.name}.")

    visit(tree, "")
    return found


def is_override(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list
    )


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_is_described(path: Path) -> None:
    assert public_definitions(path) == []


def test_every_argument_of_run_is_described() -> None:
    from tunelab.study import run

    page = inspect.getdoc(run) or ""
    for name in inspect.signature(run).parameters:
        assert f"    {name}: " in page, name


def test_every_field_of_an_experiment_is_described() -> None:
    page = inspect.getdoc(tunelab.Experiment) or ""
    described = page.partition("Args:")[2].partition("Raises:")[0]
    for name in tunelab.Experiment.model_fields:
        assert f"    {name}: " in described, name


def test_every_hyperparameter_of_every_plugin_is_described() -> None:
    from tunelab.contracts import Foreign
    from tunelab.plugins import CONTRACTS, listings, load

    missing = [
        f"{plugin.__name__}.{field}"
        for kind in CONTRACTS
        for plugin in (load(kind, name) for name in listings(kind))
        if not issubclass(plugin, Foreign)  # whose fields are described where its target is
        for field in plugin.model_fields
        if f"    {field}: " not in (inspect.getdoc(plugin) or "")
    ]
    assert missing == []
