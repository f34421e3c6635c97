"""Networks: the flat vector, its views, and evaluation that no other member changes."""

from typing import Any

import numpy as np
import pytest

from training.rig import DOUBLE, network
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Layer, LayerModel, Passes, Seats, Start
from tunelab.contracts.network import ROWS_A_BLOCK
from tunelab.models import MLP, Quadratic
from tunelab.models.layers import Dense, LayerNorm, Tanh
from tunelab.models.losses import CrossEntropy
from tunelab.training.network import LayerNetwork

NET = network(MLP(width=5, depth=2, layer_norm=True), inputs=3, outputs=4)
RNG = np.random.default_rng(0)


def passes(net: LayerNetwork, theta: np.ndarray, backend: NumpyBackend = DOUBLE) -> Passes:
    rates = [backend.zeros((len(theta), 1, 1)) for _ in net.layers]
    return net.passes(backend, Seats(theta, backend.empty(theta.shape), {}, rates, lambda: [RNG] * len(theta)))


def test_the_flat_vector_is_covered_without_gap_or_overlap() -> None:
    places = [where for _, _, where in NET.parameters()]
    assert places[0].start == 0
    assert [where.stop for where in places[:-1]] == [where.start for where in places[1:]]
    assert places[-1].stop == NET.size == 3 * 5 + 5 + 10 + 5 * 5 + 5 + 10 + 5 * 4 + 4


def test_initial_parameters_follow_from_the_seed_alone_and_lie_within_their_bounds() -> None:
    one, other = NET.initial(1), NET.initial(2)
    assert np.array_equal(one, NET.initial(1))
    assert not np.array_equal(one, other)
    for _, parameter, where in NET.parameters():
        off = one[where] - parameter.center
        assert (abs(off) <= parameter.bound).all()
        assert parameter.bound == 0 or abs(off).max() > 0.5 * parameter.bound


def test_a_start_is_kept() -> None:
    assert network(Quadratic(start=(1.0, -2.0, 3.0))).initial(9).tolist() == [1.0, -2.0, 3.0]


def test_views_and_names_share_memory() -> None:
    flat = np.stack([NET.initial(seed) for seed in range(3)])
    views = NET.views(flat)
    views[0]["weight"][2] = 7.0
    assert (flat[2, :15] == 7.0).all()
    assert (flat[:2, :15] != 7.0).all()
    named = NET.named(Start(flat[2]))
    assert list(named)[:4] == ["0.weight", "0.bias", "1.gain", "1.bias"]
    named["0.weight"][:] = 0.0
    assert (flat[2, :15] == 0.0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluation_of_a_member_has_the_same_bits_in_any_company(dtype: str) -> None:
    backend = NumpyBackend(dtype)
    theta = backend.asarray(np.stack([NET.initial(seed) for seed in range(9)]))
    x, y = backend.asarray(RNG.normal(size=(700, 3))), RNG.integers(0, 4, 700)
    together = passes(NET, theta, backend).evaluate(x, y)
    for row in range(9):
        alone = passes(NET, theta[row : row + 1].copy(), backend).evaluate(x, y)
        assert {name: values[0] for name, values in alone.items()} == {n: v[row] for n, v in together.items()}


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 513])
def test_evaluation_is_the_mean_over_all_rows_however_they_fall_into_blocks(rows: int) -> None:
    theta = np.stack([NET.initial(seed) for seed in range(2)])
    x, y = RNG.normal(size=(rows, 3)), RNG.integers(0, 4, rows)
    found = passes(NET, theta).evaluate(x, y)
    each = [passes(NET, theta).evaluate(x[row : row + 1], y[row : row + 1]) for row in range(rows)]
    for name in ("loss", "accuracy"):
        assert found[name] == pytest.approx(sum(one[name] for one in each) / rows, rel=1e-12)


def test_blocks_of_evaluation_are_never_larger_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    forward = Dense.forward

    def watched(self: Dense, xp: Any, x: np.ndarray, *rest: Any) -> np.ndarray:
        sizes.append(x.shape[1])
        return forward(self, xp, x, *rest)

    monkeypatch.setattr(Dense, "forward", watched)
    passes(NET, NET.initial(0)[None]).evaluate(RNG.normal(size=(600, 3)), RNG.integers(0, 4, 600))
    assert max(sizes) == ROWS_A_BLOCK
    assert sum(sizes) == 600 * 3


class FirstOf(LayerModel):
    """A model whose first layer is not dense."""

    norm: bool

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        return (LayerNorm(inputs) if self.norm else Tanh(), Dense(inputs, 4), Tanh(), Dense(4, outputs))


@pytest.mark.parametrize("norm", [True, False])
def test_any_layer_may_come_first_also_where_members_share_their_rows(norm: bool) -> None:
    net = LayerNetwork(FirstOf(norm=norm).layers(3, 4), CrossEntropy())
    theta = np.stack([net.initial(seed) for seed in range(3)])
    x, y = RNG.normal(size=(20, 3)), RNG.integers(0, 4, 20)
    grad, alone = np.empty_like(theta), np.empty((1, net.size))
    together = net.passes(DOUBLE, Seats(theta, grad, {}, [np.zeros((3, 1, 1))] * 4, tuple))
    losses = together.gradient(x[None], y[None])
    evaluated = together.evaluate(x, y)
    for row in range(3):
        one = net.passes(DOUBLE, Seats(theta[row : row + 1].copy(), alone, {}, [np.zeros((1, 1, 1))] * 4, tuple))
        assert one.gradient(x[None], y[None])[0] == losses[row]
        assert np.array_equal(alone[0], grad[row])
        assert one.evaluate(x, y)["loss"][0] == evaluated["loss"][row]
