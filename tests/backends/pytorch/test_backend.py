"""torch as a backend: what every backend promises, and NumPy's own random numbers."""

import importlib.util

import numpy as np
import pytest
import torch

from tunelab.backends import backend_of
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.errors import ExperimentError

DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_floats_become_the_dtype_and_integers_stay(dtype: str) -> None:
    backend = TorchBackend(dtype)
    assert backend.asarray(np.ones(3, np.float64)).dtype == getattr(torch, dtype)
    assert backend.asarray(np.arange(3)).dtype == torch.int64
    assert {backend.zeros((2,)).dtype, backend.empty((2,)).dtype} == {getattr(torch, dtype)}
    assert not backend.zeros((4, 5)).any()


def test_what_comes_in_and_what_goes_out_is_a_copy() -> None:
    backend, outside = TorchBackend("float64"), np.zeros(3)
    inside = backend.asarray(outside)
    outside[:] = 1
    backend.to_numpy(inside)[:] = 2
    backend.copy(inside)[:] = 3
    assert inside.tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_and_random_numbers_are_those_of_numpy(dtype: str) -> None:
    rows, index = np.random.default_rng(0).normal(size=(9, 4)), np.array([[0, 8, 3], [3, 3, 1]])
    taken, drawn = [], []
    for backend in (NumpyBackend(dtype), TorchBackend(dtype)):
        taken.append(backend.to_numpy(backend.take(backend.asarray(rows), index, backend.empty((2, 3, 4)))))
        out = backend.empty((5,))
        backend.fill_uniform(out, np.random.default_rng(7))
        drawn.append(backend.to_numpy(out))
    assert np.array_equal(*taken)
    assert np.array_equal(*drawn)


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunelab.backends.find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match=r"needs PyTorch.*pip install 'tunelab\[torch\]'"):
        backend_of("torch", "float32")
    assert importlib.util.find_spec("torch") is not None
