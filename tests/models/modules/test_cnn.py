from typing import Any

import pytest
import torch

from tunelab.contracts import Inputs, Outputs
from tunelab.data import Digits
from tunelab.errors import DataError, PluginError
from tunelab.models import CNN
from tunelab.space import Choice, Int

from .laws import (
    DIGITS,
    built,
    check_members_do_not_meet,
    check_seed_decides,
    cross_entropy,
    learned,
    rows,
    size,
)

VARIANTS = [
    CNN(channels=3),
    CNN(channels=2, blocks=3, kernel=5),
    CNN(channels=4, blocks=1, kernel=1, dropout=0.4),
    CNN(channels=3, batch_norm=True),
]


@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_members_do_not_meet(model: CNN) -> None:
    check_members_do_not_meet(model, DIGITS, Outputs(4))


def test_batch_norm_in_evaluation_keeps_members_apart() -> None:
    check_members_do_not_meet(CNN(channels=3, batch_norm=True), DIGITS, Outputs(4), training=False)


def test_the_seed_decides() -> None:
    check_seed_decides(CNN(), DIGITS, Outputs(10))


@pytest.mark.parametrize("model", VARIANTS, ids=repr)
@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 14)], ids=str)
def test_parameters_are_those_of_its_formula(model: CNN, image: tuple[int, int, int]) -> None:
    planes, height, width = image
    expected, inputs = 0, planes
    for block in range(model.blocks):
        channels = model.channels * 2**block
        expected += model.kernel**2 * inputs * channels + (2 if model.batch_norm else 1) * channels
        inputs, height, width = channels, height // 2, width // 2
    assert size(model, Inputs(image), Outputs(10)) == expected + 10 * (inputs * height * width + 1)
    assert built(model, Inputs(image), Outputs(10))(rows(Inputs(image))).shape == (5, 10)


def test_relu_behind_the_pooling_is_relu_in_front() -> None:
    x = rows(DIGITS) - 0.5
    pool = torch.nn.MaxPool2d(2)
    assert torch.equal(pool(x).relu(), pool(x.relu()))


def test_it_learns_digits() -> None:
    table = Digits().load()
    x, y = torch.tensor(table.x, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(table.y)
    torch.manual_seed(0)
    module = CNN(channels=8).module(table.inputs, Outputs(10))
    assert learned(module, cross_entropy, x, y, steps=150, lr=0.01) < 0.2


def test_a_name_opens_channels_and_blocks_coarsely() -> None:
    assert CNN.ranges() == {"channels": Choice(8, 16, 32), "blocks": Int(1, 3)}
    assert CNN.from_trials() == {"channels": 10, "blocks": 25}


def test_images_too_small_for_its_blocks_are_refused() -> None:
    for shape, most in (((1, 8, 8), 3), ((1, 28, 5), 2), ((3, 1, 9), 0)):
        CNN(blocks=max(most, 1)).fits(Inputs(shape), Outputs(10)) if most else None
        with pytest.raises(DataError, match=rf"CNN\(blocks={most + 1}\) halves .* {most} blocks at most"):
            CNN(blocks=most + 1).module(Inputs(shape), Outputs(10))


@pytest.mark.parametrize("wrong", [{"kernel": 4}, {"kernel": 0}, {"channels": 0}, {"blocks": 0}, {"dropout": 1.0}])
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        CNN(**wrong)


def test_an_even_kernel_is_refused_in_a_search_too() -> None:
    with pytest.raises(PluginError, match=r"kernel=Choice\(3, 4\): .*must be odd"):
        CNN.search(kernel=Choice(3, 4))
