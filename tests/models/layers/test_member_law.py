"""A member's bits do not depend on who trains beside it, layer by layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tunelab.contracts import Layer
from tunelab.models.layers import GELU, Dense, Dropout, LayerNorm, Point, ReLU, Softplus, Tanh

from ..rig import MEMBERS, Rig, check_member_law, crews, numbers, same_bits, size

WIDTHS = [1, 2, 3, 10, 64]
each = [
    pytest.mark.parametrize("dtype", ["float32", "float64"]),
    pytest.mark.parametrize("rows", [1, 3, 16, 128]),
    pytest.mark.parametrize("width", WIDTHS),
]


def every_shape(test: Callable[..., None]) -> Callable[..., None]:
    for mark in each:
        test = mark(test)
    return test


@every_shape
def test_dense(dtype: str, rows: int, width: int) -> None:
    for outputs in WIDTHS:
        check_member_law([Dense(width, outputs)], rows, width, dtype)


@every_shape
def test_layers_without_a_product(dtype: str, rows: int, width: int) -> None:
    for layer in (ReLU(), Tanh(), GELU(), Softplus(), LayerNorm(width), Dropout(0.3)):
        check_member_law([layer], rows, width, dtype)


@every_shape
def test_evaluation_on_rows_that_all_members_share(dtype: str, rows: int, width: int) -> None:
    layers = [Dense(width, 10), LayerNorm(10), GELU(), Dropout(0.3), Dense(10, width)]
    theta, x = numbers(MEMBERS, size(layers), dtype=dtype), numbers(1, rows, width, dtype=dtype)
    together = Rig(layers, theta).forward(x, training=False)
    own_copies = Rig(layers, theta).forward(np.repeat(x, MEMBERS, 0), training=False)
    same_bits(own_copies, together)
    for crew in crews():
        same_bits(Rig(layers, theta[crew]).forward(x, training=False), together[crew])


def test_training_on_rows_that_all_members_share() -> None:
    layers = [Dense(5, 4), Tanh(), Dense(4, 2)]
    theta, x, dy = numbers(3, size(layers)), numbers(1, 7, 5), numbers(3, 7, 2)
    shared, copied = Rig(layers, theta), Rig(layers, theta)
    same_bits(shared.forward(x), copied.forward(np.repeat(x, 3, 0)))
    for rig in (shared, copied):
        rig.backward(dy.copy(), wanted=False)
    same_bits(shared.grad, copied.grad)


class AcrossMembers(Tanh):
    def forward(self, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        return super().forward(xp, x / np.linalg.norm(x), params, tape)


class FusedSum(Dense):
    def forward(self, xp: Any, x: Any, params: Any, tape: Any) -> Any:
        super().forward(xp, x, params, tape)
        fused = x.transpose(2, 0, 1).copy()  # features first: their sum then runs along rows of all members
        return fused.sum(0)[..., None] + 0 * params["weight"].sum(1, keepdims=True) + params["bias"][:, None, :]


@pytest.mark.parametrize("wrong", [AcrossMembers(), FusedSum(64, 1)], ids=lambda layer: type(layer).__name__)
def test_the_check_rejects_a_layer_that_mixes_members(wrong: Layer) -> None:
    with pytest.raises(AssertionError):
        check_member_law([wrong], 1, 64, "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_point(dtype: str) -> None:
    theta = numbers(MEMBERS, 3, dtype=dtype)
    rig = Rig([Point((0.0, 0.0, 0.0))], theta)
    out = rig.forward(np.empty((1, 1, 0)))
    same_bits(out, theta[:, None, :])
    assert not np.shares_memory(out, theta)
    rig.backward(out)
    same_bits(rig.grad, theta)


def test_a_member_that_overflows_leaves_the_others_alone() -> None:
    layers = [Dense(10, 10), LayerNorm(10), ReLU(), Dense(10, 3)]
    theta, x = numbers(4, size(layers), dtype="float32"), numbers(4, 16, 10, dtype="float32")
    broken = theta.copy()
    broken[1] = np.inf
    dy = numbers(4, 16, 3, dtype="float32")
    found = []
    with np.errstate(all="ignore"):
        for weights in (theta, broken):
            rig = Rig(layers, weights)
            found.append((rig.forward(x).copy(), rig.backward(dy.copy()), rig.grad))
    for whole, beside in zip(*found, strict=True):
        assert not np.isfinite(beside[1]).all()
        same_bits(np.delete(beside, 1, 0), np.delete(whole, 1, 0))
