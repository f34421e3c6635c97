import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import tunelab.models

MODULES = [module.name for module in walk_packages(tunelab.models.__path__, "tunelab.models.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
