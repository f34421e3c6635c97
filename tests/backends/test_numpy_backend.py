"""NumPy as a backend: dtypes, copies, and the one property that the member law rests on."""

from collections.abc import Callable

import numpy as np
import pytest

from tunelab.backends.numpy_backend import NumpyBackend

DTYPES = ("float32", "float64")
ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    name: getattr(np, name)
    for name in [
        "exp",
        "log",
        "log1p",
        "expm1",
        "tanh",
        "sin",
        "cos",
        "sqrt",
        "reciprocal",
        "square",
        "abs",
        "sign",
        "negative",
    ]
}
EXTREMES = (np.nan, np.inf, -np.inf, 1e30, -1e30, 1e9, 200.0, -200.0, 0.0, 1e-40)


@pytest.mark.parametrize("dtype", DTYPES)
def test_floats_become_the_dtype_and_integers_stay(dtype: str) -> None:
    backend = NumpyBackend(dtype)
    assert backend.asarray(np.ones(3)).dtype == np.dtype(dtype)
    assert backend.asarray(np.ones(3, np.float32)).dtype == np.dtype(dtype)
    assert backend.asarray(np.arange(3)).dtype == np.arange(3).dtype
    assert {backend.zeros((2,)).dtype, backend.empty((2,)).dtype} == {np.dtype(dtype)}
    assert not backend.zeros((4, 5)).any()


def test_what_comes_in_lies_side_by_side_and_what_goes_out_is_a_copy() -> None:
    backend = NumpyBackend("float64")
    assert backend.asarray(np.ones((4, 6)).T[::2]).flags.c_contiguous
    inside = backend.zeros((3,))
    outside = backend.to_numpy(inside)
    outside[:] = 1
    assert not inside.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_element_has_the_same_bits_wherever_it_stands_and_whatever_stands_beside_it(name: str, dtype: str) -> None:
    function = ELEMENTWISE[name]
    x = 3 * np.random.default_rng(0).normal(size=1003).astype(dtype)
    x = np.abs(x) if name in ("log", "sqrt", "log1p") else x
    with np.errstate(all="ignore"):
        whole = function(x)
        assert np.array_equal(whole, np.concatenate([function(x[i : i + 1]) for i in range(len(x))]))
        assert np.array_equal(whole[3:], function(x[3:]))
        assert np.array_equal(whole, function(np.stack([x, x], 1)[:, 0]))
        for value in EXTREMES:
            beside = x.copy()
            beside[::7] = value
            mine = np.arange(len(x)) % 7 != 0
            assert np.array_equal(function(beside)[mine], whole[mine]), value


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 64, 3), (29, 64, 10), (92, 3, 1), (256, 10, 65), (1437, 8, 4)])
def test_a_members_products_and_sums_have_the_same_bits_in_any_company(shape: tuple[int, int, int], dtype: str) -> None:
    rows, inputs, outputs = shape
    random = np.random.default_rng(1)
    flat = random.normal(size=(5, inputs * outputs + 7)).astype(dtype)  # weights are views that begin anywhere
    x = random.normal(size=(5, rows, inputs)).astype(dtype)
    dy = random.normal(size=(5, rows, outputs)).astype(dtype)

    def results(flat: np.ndarray, x: np.ndarray, dy: np.ndarray) -> list[np.ndarray]:
        weight = flat[:, 3 : 3 + inputs * outputs].reshape(-1, inputs, outputs)
        ones = np.ones((1, rows), dtype)
        return [
            x @ weight,
            x.swapaxes(1, 2) @ dy,
            dy @ weight.swapaxes(1, 2),
            ones @ dy,
            dy @ np.ones((outputs, 1), dtype),
            dy.sum(-1),
            np.square(flat).sum(1),
        ]

    together = results(flat, x, dy)
    for row in range(5):
        mine = slice(row, row + 1)
        for one, all_ in zip(results(flat[mine].copy(), x[mine].copy(), dy[mine].copy()), together, strict=True):
            assert np.array_equal(one[0], all_[row])
