import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import tunelab.models

MODULES = [module.name for module in walk_packages(tunelab.models.__path__, "tunelab.models.")]
NEED_TORCH = "tunelab.models.modules."


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    if name.startswith(NEED_TORCH):
        pytest.importorskip("torch")
    assert doctest.testmod(import_module(name)).failed == 0
