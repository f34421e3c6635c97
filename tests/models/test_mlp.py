import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tunelab.backends.tape import PopulationTape
from tunelab.errors import PluginError
from tunelab.models import MLP, LinearRegression, SoftmaxRegression
from tunelab.models.layers import Dense, Dropout, LayerNorm, ReLU, Tanh
from tunelab.models.losses import CrossEntropy, MeanSquaredError
from tunelab.space import Choice, Int

from .rig import MEMBERS, Rig, backend, check_layers, check_member_law, numbers, size

ACTIVATIONS = ["relu", "tanh", "gelu", "softplus"]


def test_layers_in_order() -> None:
    model = MLP(width=8, depth=2, activation="tanh", dropout=0.2, layer_norm=True)
    kinds = [Dense, LayerNorm, Tanh, Dropout, Dense, LayerNorm, Tanh, Dropout, Dense]
    layers = model.layers(5, 3)
    assert [type(layer) for layer in layers] == kinds
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    assert [(layer.inputs, layer.outputs) for layer in dense] == [(5, 8), (8, 8), (8, 3)]


def test_only_what_is_asked_for_is_there() -> None:
    assert MLP(width=8).layers(5, 3) == (Dense(5, 8, 2**0.5), ReLU(), Dense(8, 3))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gain_fits_the_activation(activation: str) -> None:
    first, last = (layer for layer in MLP(activation=activation).layers(5, 3) if isinstance(layer, Dense))
    assert first.gain == (1.0 if activation == "tanh" else 2**0.5)
    assert last.gain == 1.0


def test_a_name_opens_width_and_depth_coarsely() -> None:
    assert MLP.ranges() == {"width": Choice(32, 64, 128), "depth": Int(1, 2)}
    assert MLP.from_trials() == {"width": 10, "depth": 10}


def test_a_dropout_rate_splits_no_cohort_but_zero_does() -> None:
    assert MLP(dropout=0.1).layers(5, 3) == MLP(dropout=0.4).layers(5, 3)
    assert MLP(dropout=0.1).layers(5, 3) != MLP().layers(5, 3)


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"depth": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"activation": "sin"}]
)
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        MLP(**wrong)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_whole_network_is_the_central_difference(activation: str, layer_norm: bool) -> None:
    model = MLP(width=5, depth=2, activation=activation, dropout=0.3, layer_norm=layer_norm)
    check_layers(model.layers(4, 3), numbers(3, 4, seed=8))


def torch_twin(layers: Any, theta: torch.Tensor, x: torch.Tensor, activation: str) -> torch.Tensor:
    """Return one member's outputs by torch's own modules, with parameters read from the flat leaf in order."""
    act = {"relu": nn.ReLU(), "tanh": nn.Tanh(), "gelu": nn.GELU("tanh"), "softplus": nn.Softplus(threshold=1e3)}
    start = 0
    for layer in layers:
        tensors = []
        for parameter in layer.parameters():
            stop = start + int(np.prod(parameter.shape))
            tensors.append(theta[start:stop].reshape(parameter.shape))
            start = stop
        if isinstance(layer, Dense):
            x = functional.linear(x, tensors[0].T, tensors[1])
        elif isinstance(layer, LayerNorm):
            x = functional.layer_norm(x, (layer.width,), *tensors)
        else:
            x = act[activation](x)
    return x


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("loss", [CrossEntropy(), MeanSquaredError()], ids=repr)
def test_training_gradient_equals_torch_autograd(activation: str, layer_norm: bool, loss: Any) -> None:
    members, rows, classes = 3, 7, 4
    layers = MLP(width=6, depth=2, activation=activation, layer_norm=layer_norm).layers(5, classes)
    theta, x = 0.5 * numbers(members, size(layers)), numbers(members, rows, 5, seed=1)
    labels, values = np.arange(members * rows).reshape(members, rows) % classes, numbers(members, rows, classes, seed=2)
    target = labels if isinstance(loss, CrossEntropy) else values

    rig = Rig(layers, theta)
    losses, dy = loss.gradient(np, rig.forward(x), target, PopulationTape(backend(theta)))
    dy /= rows
    assert rig.backward(dy, wanted=False) is None

    leaf = torch.tensor(theta, requires_grad=True)
    for member in range(members):
        out, wanted = (
            torch_twin(layers, leaf[member], torch.tensor(x[member]), activation),
            torch.tensor(target[member]),
        )
        reference = (functional.cross_entropy if target is labels else functional.mse_loss)(out, wanted)
        assert losses[member].mean() == pytest.approx(reference.item(), rel=1e-10)
        reference.backward()
    np.testing.assert_allclose(rig.grad, leaf.grad, rtol=1e-10, atol=1e-13)


MODELS = [
    MLP(width=64),
    MLP(width=10, depth=2, activation="tanh", layer_norm=True),
    MLP(width=3, activation="gelu", dropout=0.3),
    MLP(width=1, depth=3, activation="softplus"),
    MLP(width=2, depth=2, layer_norm=True, dropout=0.3),
    SoftmaxRegression(),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 16, 128])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_member_trains_alike_alone_and_among_others(model: Any, rows: int, dtype: str) -> None:
    generator = np.random.default_rng(3)
    for inputs, outputs in ((64, 10), (10, 1), (3, 2), (1, 3), (2, 64)):
        layers = model.layers(inputs, outputs)
        labels = generator.integers(0, outputs, (MEMBERS, rows))
        check_member_law(layers, rows, inputs, dtype, CrossEntropy(), labels)
        values = generator.standard_normal((MEMBERS, rows, outputs)).astype(dtype)
        check_member_law(layers, rows, inputs, dtype, MeanSquaredError(), values)


def test_a_step_allocates_no_activations() -> None:
    layers, loss = (
        MLP(width=64, depth=2, layer_norm=True, activation="gelu", dropout=0.1).layers(64, 10),
        CrossEntropy(),
    )
    theta, x = numbers(16, size(layers), dtype="float32"), numbers(16, 128, 64, dtype="float32")
    labels = np.zeros((16, 128), int)
    rig, tape = Rig(layers, 0.1 * theta), PopulationTape(backend(theta))
    one_activation = x.nbytes
    for _ in range(2):
        tracemalloc.start()
        _, dy = loss.gradient(np, rig.forward(x), labels, tape)
        rig.backward(dy, wanted=False)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < one_activation / 4


def test_gradient_descent_lowers_the_loss_of_every_member() -> None:
    layers, loss = MLP(width=32).layers(2, 2), CrossEntropy()
    x = np.repeat(numbers(1, 64, 2), 4, 0)
    labels = (x[..., 0] * x[..., 1] > 0).astype(int)  # no linear map separates it
    rig = Rig(layers, 0.3 * numbers(4, size(layers)))
    tape = PopulationTape(backend(x))
    curve = []
    for _ in range(800):
        losses, dy = loss.gradient(np, rig.forward(x), labels, tape)
        rig.backward(dy / 64, wanted=False)
        rig.theta -= 0.5 * rig.grad
        curve.append(losses.mean(1))
    assert (curve[-1] < 0.15).all()
    assert all((after < before + 0.05).all() for before, after in pairwise(curve))


@pytest.mark.parametrize("model", [SoftmaxRegression(), LinearRegression()], ids=repr)
def test_regressions_are_one_dense_layer_that_starts_at_zero(model: Any) -> None:
    (layer,) = model.layers(5, 3)
    assert all(parameter.bound == parameter.center == 0 for parameter in layer.parameters())
    assert model.loss("values") is None


def test_linear_regression_finds_the_least_squares_solution() -> None:
    layers, loss = LinearRegression().layers(3, 2), MeanSquaredError()
    x, y = numbers(1, 40, 3), numbers(1, 40, 2, seed=1)
    rig, tape = Rig(layers, np.zeros((1, 8))), PopulationTape(backend(x))
    for _ in range(2000):
        _, dy = loss.gradient(np, rig.forward(x), y, tape)
        rig.backward(dy / 40, wanted=False)
        rig.theta -= 0.3 * rig.grad
    solution, *_ = np.linalg.lstsq(np.column_stack([x[0], np.ones(40)]), y[0])
    np.testing.assert_allclose(rig.theta.reshape(4, 2), solution, rtol=1e-9, atol=1e-12)
