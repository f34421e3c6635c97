from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tunelab.contracts import Inputs, Outputs
from tunelab.data import Digits
from tunelab.errors import PluginError
from tunelab.models import ResNet
from tunelab.models.modules.resnet import ResidualBlock
from tunelab.space import Choice

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
    ResNet(channels=2),
    ResNet(channels=4, norm="group"),
    ResNet(channels=3, stages=2, blocks=2, dropout=0.3),
    ResNet(channels=3, stages=1, norm="group"),
]


@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_members_do_not_meet(model: ResNet) -> None:
    check_members_do_not_meet(model, DIGITS, Outputs(4))


def test_batch_norm_in_evaluation_keeps_members_apart() -> None:
    check_members_do_not_meet(ResNet(channels=2), DIGITS, Outputs(4), training=False)


def test_the_seed_decides() -> None:
    check_seed_decides(ResNet(channels=4), DIGITS, Outputs(10))


@pytest.mark.parametrize("model", [*VARIANTS, ResNet()], ids=repr)
@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 14), (1, 1, 1)], ids=str)
def test_parameters_are_those_of_its_formula(model: ResNet, image: tuple[int, int, int]) -> None:
    inputs = model.channels
    expected = 9 * image[0] * inputs + 2 * inputs
    for stage in range(model.stages):
        channels = model.channels * 2**stage
        expected += 9 * inputs * channels + (2 * model.blocks - 1) * 9 * channels**2 + 4 * model.blocks * channels
        expected += inputs * channels + 2 * channels if stage else 0
        inputs = channels
    assert size(model, Inputs(image), Outputs(10)) == expected + 10 * (inputs + 1)
    assert built(model, Inputs(image), Outputs(10))(rows(Inputs(image))).shape == (5, 10)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_it_has_the_layers_of_the_paper(blocks: int) -> None:
    """6 n + 2, of which shortcuts are none."""
    module = built(ResNet(blocks=blocks), DIGITS, Outputs(10))
    weighted = [
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and "shortcut" not in name
    ]
    assert len(weighted) == 6 * blocks + 2


def test_a_block_is_its_equation() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 3, 1, "batch").double()
    first, norm, _, second, other = block.inner
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    inner = functional.conv2d(x, first.weight, padding=1)
    inner = functional.conv2d(norm(inner).relu(), second.weight, padding=1)
    torch.testing.assert_close(block(x), (x + other(inner)).relu(), rtol=1e-12, atol=1e-12)


def test_group_norm_takes_groups_that_divide_the_channels() -> None:
    groups = {
        channels: built(ResNet(channels=channels, stages=1, norm="group"), DIGITS, Outputs(2)).stem[1].num_groups
        for channels in (3, 4, 12, 16)
    }
    assert groups == {3: 1, 4: 4, 12: 4, 16: 8}


def test_it_learns_digits() -> None:
    table = Digits().load()
    x, y = torch.tensor(table.x, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(table.y)
    torch.manual_seed(0)
    module = ResNet(channels=8, stages=2).module(table.inputs, Outputs(10))
    assert learned(module, cross_entropy, x, y, steps=150, lr=0.01) < 0.2


def test_a_name_opens_channels_and_blocks_coarsely() -> None:
    assert ResNet.ranges() == {"channels": Choice(8, 16, 32), "blocks": Choice(1, 2)}
    assert ResNet.from_trials() == {"channels": 10, "blocks": 25}


@pytest.mark.parametrize("wrong", [{"norm": "layer"}, {"channels": 0}, {"stages": 0}, {"blocks": 0}, {"dropout": 1.0}])
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        ResNet(**wrong)
