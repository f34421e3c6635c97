import math

import numpy as np
import pytest

from tunelab.models.layers import Dense, ReLU

from ..rig import Rig, numbers


def test_initial_bound_gives_the_variance_of_he_et_al() -> None:
    weight, bias = Dense(50, 20, gain=math.sqrt(2)).parameters()
    assert weight.bound == pytest.approx(math.sqrt(6 / 50))  # variance bound^2 / 3 = 2 / inputs
    assert bias.bound == bias.center == 0


def test_activations_keep_their_size_through_rectifiers() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1, 512, 256))
    first = (x**2).mean()
    for _ in range(10):
        layers = [Dense(256, 256, math.sqrt(2)), ReLU()]
        weight, _ = layers[0].parameters()
        theta = np.zeros((1, 256 * 257))
        theta[:, : 256 * 256] = generator.uniform(-weight.bound, weight.bound, 256 * 256)
        x = Rig(layers, theta).forward(x).copy()
    assert 0.5 < (x**2).mean() / first < 2.0


def test_weights_and_biases_are_where_the_layout_says() -> None:
    theta = np.arange(8.0)[None]
    out = Rig([Dense(3, 2)], theta).forward(np.eye(3)[None])
    assert out.tolist() == [[[0 + 6, 1 + 7], [2 + 6, 3 + 7], [4 + 6, 5 + 7]]]


def test_arrays_are_the_same_ones_each_step() -> None:
    rig = Rig([Dense(3, 2)], numbers(2, 8))
    first = rig.forward(numbers(2, 4, 3))
    first_dx = rig.backward(first)
    again = rig.forward(numbers(2, 4, 3))
    assert again is first
    assert rig.backward(again) is first_dx
