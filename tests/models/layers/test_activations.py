"""What each activation does at its ends; derivatives are in test_gradients."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunelab.contracts import Layer
from tunelab.models.layers import GELU, ReLU, Softplus, Tanh

from ..rig import Rig, numbers


def passed(layer: Layer, values: list[float], dtype: str = "float64") -> tuple[list[float], list[float]]:
    """Return outputs and slopes."""
    x = np.array(values, dtype)[None, None]
    rig = Rig([layer], numbers(1, 0, dtype=dtype))
    out = rig.forward(x).copy()
    return out.ravel().tolist(), rig.backward(np.ones_like(x)).ravel().tolist()


def test_relu_at_zero_has_slope_zero() -> None:
    assert passed(ReLU(), [-2.0, -0.0, 0.0, 3.0]) == ([0.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softplus_neither_overflows_nor_loses_digits(dtype: str) -> None:
    out, slope = passed(Softplus(), [-1e4, -30.0, 0.0, 30.0, 1e4], dtype)
    assert out == pytest.approx([0.0, np.exp(-30), np.log(2), 30.0, 1e4], rel=1e-6, abs=0.0)
    assert slope == pytest.approx([0.0, np.exp(-30), 0.5, 1.0, 1.0], rel=1e-6, abs=0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_is_linear_far_above_and_zero_far_below(dtype: str) -> None:
    assert passed(GELU(), [-1e4, -50.0, 0.0, 50.0, 1e4], dtype) == ([0, 0, 0, 50, 1e4], [0, 0, 0.5, 1, 1])


def test_gelu_is_within_5e_4_of_the_exact_unit() -> None:
    x = np.linspace(-6, 6, 2001)
    exact = functional.gelu(torch.tensor(x)).numpy()
    out, _ = passed(GELU(), x.tolist())
    assert np.abs(np.array(out) - exact).max() < 5e-4


def test_tanh_saturates() -> None:
    assert passed(Tanh(), [-1e4, 0.0, 1e4]) == ([-1, 0, 1], [0, 1, 0])


@pytest.mark.parametrize("layer", [ReLU(), Tanh(), GELU(), Softplus()], ids=repr)
def test_inputs_stay_as_they_are(layer: Layer) -> None:
    x = numbers(2, 3, 4)
    Rig([layer], numbers(2, 0)).forward(x)
    assert np.array_equal(x, numbers(2, 3, 4))
