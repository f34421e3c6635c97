"""Every layer's backward is the derivative of its forward: by differences, by autograd, and on torch's arrays."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunelab.contracts import Layer
from tunelab.models import sums
from tunelab.models.layers import GELU, Dense, Dropout, LayerNorm, ReLU, Softplus, Tanh

from ..rig import Rig, check_layers, numbers, size

ROWS, WIDTH = 5, 6
LAYERS = [Dense(WIDTH, 4), Dense(WIDTH, 1), ReLU(), Tanh(), GELU(), Softplus(), LayerNorm(WIDTH), Dropout(0.3)]
named = pytest.mark.parametrize("layer", LAYERS, ids=repr)


def inputs(seed: int = 5) -> np.ndarray:
    x = numbers(ROWS, WIDTH, seed=seed)
    return x + 0.01 * np.sign(x)  # off the kink of relu


@named
def test_backward_is_the_central_difference(layer: Layer) -> None:
    check_layers([layer], inputs())


def test_layers_chain() -> None:
    check_layers([Dense(WIDTH, 7), LayerNorm(7), Tanh(), Dropout(0.4), Dense(7, 3), GELU(), Dense(3, 2)], inputs())


class NormWithoutMean(LayerNorm):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        z, r = tape.saved
        super().backward(xp, dy.copy(), params, grads, tape, False)
        dz = dy * params["gain"][:, None, :]
        return r * (dz - z * (dz * z).mean(-1, keepdims=True))


class NormWithoutProjection(LayerNorm):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        _, r = tape.saved
        super().backward(xp, dy.copy(), params, grads, tape, False)
        dz = dy * params["gain"][:, None, :]
        return r * (dz - dz.mean(-1, keepdims=True))


class BiasOfOneRow(Dense):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        dx = super().backward(xp, dy, params, grads, tape, wanted)
        grads["bias"][...] = dy[:, 0, :]
        return dx


class LeakyBackward(ReLU):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return super().backward(xp, dy.copy(), params, grads, tape, wanted) + 1e-5 * dy


class TanhOnce(Tanh):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return dy * (1 - tape.saved[0])


class GateOnly(GELU):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return dy * (1 + tape.saved[1]) / 2


class SlopeOfInput(Softplus):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return dy / (1 + np.exp(-tape.saved[0]))  # what is saved is y, not x


class Unscaled(Dropout):
    def backward(self, xp: Any, dy: Any, params: Any, grads: Any, tape: Any, wanted: bool) -> Any:
        return dy * (tape.saved[0] > 0)


@pytest.mark.parametrize(
    "wrong",
    [
        NormWithoutMean(WIDTH),
        NormWithoutProjection(WIDTH),
        BiasOfOneRow(WIDTH, 4),
        LeakyBackward(),
        TanhOnce(),
        GateOnly(),
        SlopeOfInput(),
        Unscaled(0.3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_check_rejects_a_wrong_backward(wrong: Layer) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_layers([wrong], inputs())


REFERENCES = {
    Dense: lambda x, params: x @ params["weight"] + params["bias"][:, None],
    ReLU: lambda x, _: functional.relu(x),
    Tanh: lambda x, _: torch.tanh(x),
    GELU: lambda x, _: functional.gelu(x, approximate="tanh"),
    Softplus: lambda x, _: functional.softplus(x, threshold=1e3),
    LayerNorm: lambda x, params: torch.stack(
        [
            functional.layer_norm(*args)
            for args in zip(x, [(WIDTH,)] * len(x), params["gain"], params["bias"], strict=True)
        ]
    ),
}


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if type(layer) in REFERENCES], ids=repr)
def test_layer_equals_torch_autograd(layer: Layer) -> None:
    members = 3
    theta, x = numbers(members, size([layer])), np.stack([inputs(seed) for seed in range(members)])
    rig = Rig([layer], theta)
    out = rig.forward(x.copy()).copy()
    dy = numbers(*out.shape, seed=3)
    dx = rig.backward(dy.copy())

    leaf, row = torch.tensor(theta, requires_grad=True), torch.tensor(x, requires_grad=True)
    reference = REFERENCES[type(layer)](row, Rig([layer], leaf).params[0])
    reference.backward(torch.tensor(dy))
    np.testing.assert_allclose(out, reference.detach(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(dx, row.grad, rtol=1e-10, atol=1e-13)
    if theta.size:
        np.testing.assert_allclose(rig.grad, leaf.grad, rtol=1e-10, atol=1e-13)


@named
@pytest.mark.parametrize("rows", [1, ROWS])
def test_layer_runs_on_tensors_as_on_arrays(layer: Layer, rows: int) -> None:
    theta, x = numbers(3, size([layer])), numbers(3, rows, WIDTH, seed=1)
    arrays, tensors = Rig([layer], theta), Rig([layer], torch.tensor(theta))
    if isinstance(layer, Dropout):
        noise = numbers(3, rows, WIDTH, seed=4) % 1
        arrays.tapes[0].uniform = lambda name, shape: noise
        tensors.tapes[0].uniform = lambda name, shape: torch.tensor(noise)
    out, out_of_torch = arrays.forward(x), tensors.forward(torch.tensor(x))
    np.testing.assert_allclose(out_of_torch, out, rtol=1e-12, atol=1e-14)
    dy = numbers(*out.shape, seed=3)
    np.testing.assert_allclose(tensors.backward(torch.tensor(dy)), arrays.backward(dy), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(tensors.grad, arrays.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", [Dense(WIDTH, 4), LayerNorm(WIDTH)], ids=repr)
def test_the_first_layer_spares_the_gradient_of_its_inputs(layer: Layer) -> None:
    rig, full = (Rig([layer], numbers(2, size([layer]))) for _ in range(2))
    dy = numbers(*rig.forward(numbers(2, ROWS, WIDTH)).shape)
    full.forward(numbers(2, ROWS, WIDTH))
    full.backward(dy.copy())
    assert rig.backward(dy.copy(), wanted=False) is None
    assert np.array_equal(rig.grad, full.grad)


def test_sums_are_sums() -> None:
    values = numbers(3, ROWS, WIDTH)
    np.testing.assert_allclose(sums.sum_rows(np, values, np.empty((3, 1, WIDTH))), values.sum(1, keepdims=True))
    np.testing.assert_allclose(sums.sum_features(np, values, np.empty((3, ROWS, 1))), values.sum(2, keepdims=True))
