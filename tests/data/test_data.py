"""`tunelab.data` as a whole: its names, and what importing and loading it costs."""

import subprocess
import sys
from time import perf_counter

import pytest

import tunelab.data
from tunelab.contracts import Dataset
from tunelab.data import BreastCancer, Diabetes, Digits, Wine, fingerprint, split

BUILT_IN = [Digits, BreastCancer, Wine, Diabetes]


def test_public_names():
    assert tunelab.data.__all__ == [
        "Arrays",
        "BreastCancer",
        "DataFile",
        "Diabetes",
        "Digits",
        "Split",
        "TorchData",
        "Wine",
        "fingerprint",
        "split",
    ]


def test_loading_a_built_in_set_imports_neither_pandas_nor_sklearn():
    code = (
        "import sys; from tunelab.data import *; split(Digits().load()); "
        "print(sorted({'pandas', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("dataset", BUILT_IN)
def test_a_built_in_set_loads_within_60_ms(dataset):
    def seconds():
        start = perf_counter()
        dataset().load()
        return perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.06


@pytest.mark.parametrize("dataset", BUILT_IN)
def test_a_built_in_set_is_a_comparable_plugin_and_splits(dataset):
    assert issubclass(dataset, Dataset)
    assert dataset() == dataset()
    assert {dataset(): 1}[dataset()] == 1
    parts = split(dataset().load(), validation=0.2, test=0.1, seed=3, scale=dataset.scale)
    assert sum(parts.rows.values()) == len(dataset().load().x)
    assert fingerprint(dataset().load()) == fingerprint(dataset().load())
