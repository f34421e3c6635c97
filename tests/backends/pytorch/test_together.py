"""All members at once: noise of their own, gradients in parts, isolation."""

from typing import Any

import numpy as np
import pytest
import torch
from laws import zoo
from torch import nn

from backends.pytorch.seats import batch, network, together

ROWS = torch.ones(1, 1, 64)


class Masked(nn.Module):
    """One number for each of many places, dropped: the gradient shows what was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.drop = nn.Parameter(torch.ones(6400)), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.weight * x.mean()).sum().expand(len(x), 10)


def masked() -> nn.Module:
    return Masked()


def total(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return out.mean()


def masks(seeds: list[int], rates: list[float], steps: int = 1) -> torch.Tensor:
    """Return the gradients `(P, 6400)`: zero where dropped, else 1 / (1 - rate)."""
    passes, seats = together(network(masked, loss=total), seeds, rates)
    for _ in range(steps):
        passes.gradient(ROWS, torch.zeros(1, 1, dtype=torch.int64))
    return seats.grad.clone()


def test_each_member_drops_its_own_share_and_keeps_the_mean() -> None:
    rates = [0.0, 0.2, 0.5, 0.9]
    for row, rate in zip(masks([0, 1, 2, 3], rates), rates, strict=True):
        assert abs(float((row == 0).double().mean()) - rate) < 4 * np.sqrt(max(rate * (1 - rate), 1e-12) / 6400)
        assert torch.allclose(row[row != 0], torch.tensor(1 / (1 - rate)))


def test_masks_differ_between_members_and_steps_and_are_a_seeds_own() -> None:
    one, other = masks([1, 2], [0.5, 0.5])
    assert 0.4 < float(((one == 0) == (other == 0)).double().mean()) < 0.6
    assert not torch.equal(masks([1, 2], [0.5, 0.5], steps=2)[0], one)
    assert torch.equal(masks([2, 1], [0.5, 0.5])[1], one)


def test_a_rate_of_one_drops_everything() -> None:
    assert not masks([0], [1.0]).any()


@pytest.mark.parametrize("build", [zoo.mlp, zoo.convolution_and_max_pool, zoo.multihead_attention])
@pytest.mark.parametrize("parts", [3, 10, 20])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(build: Any, parts: int) -> None:
    kind, seeds = zoo.TOGETHER[build], [0, 1]
    x, y = batch(kind)
    whole, expected = together(network(build, kind), seeds)
    divided, found = together(network(build, kind), seeds, accumulate=parts)
    torch.testing.assert_close(divided.gradient(x, y), whole.gradient(x, y), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-5, atol=1e-6)
    assert expected.grad.any()


def test_gradients_of_a_step_do_not_hold_those_of_the_last() -> None:
    passes, seats = together(network(zoo.tied), [0, 1])
    x, y = batch()
    passes.gradient(x, y)
    once = seats.grad.clone()
    seats.grad.fill_(7.0)
    passes.gradient(x, y)
    assert torch.equal(seats.grad, once), "a parameter that is not used has a gradient of zero"


@pytest.mark.parametrize("build", [zoo.batch_norm_1d, zoo.batch_norm_2d, zoo.other_norms, zoo.convolution_and_max_pool])
def test_a_member_of_nan_reaches_nobody_else(build: Any) -> None:
    kind = zoo.TOGETHER[build]
    x, y = batch(kind)
    calm, expected = together(network(build, kind), [0, 1, 2])
    losses = calm.gradient(x, y)
    ill, found = together(network(build, kind), [0, 1, 2])
    found.theta[1] = torch.nan
    ill_losses = ill.gradient(x, y)
    assert torch.isnan(ill_losses[1])
    rest = [0, 2]
    torch.testing.assert_close(ill_losses[rest], losses[rest])
    torch.testing.assert_close(found.grad[rest], expected.grad[rest])
    for name, values in expected.buffers.items():
        torch.testing.assert_close(found.buffers[name][rest], values[rest])
    ill.evaluate(x[0], y[0])


def test_evaluation_and_outputs_change_no_buffer() -> None:
    passes, seats = together(network(zoo.batch_norm_1d), [0, 1])
    x, y = batch()
    before = {name: values.clone() for name, values in seats.buffers.items()}
    passes.evaluate(x[0], y[0])
    assert passes.outputs(x[0]).shape == (2, 10, 10)
    assert all(torch.equal(before[name], values) for name, values in seats.buffers.items())


def test_noise_in_evaluation_is_each_members_own_and_fresh() -> None:
    passes, _ = together(network(zoo.functional_noise), [0, 0, 1])
    x, _ = batch()
    first, second = passes.outputs(x[0]), passes.outputs(x[0])
    assert torch.equal(first[0], first[1]), "equal members with equal streams"
    assert not torch.equal(first[0], second[0])


def test_the_module_of_all_is_left_as_it_was() -> None:
    net = network(zoo.batch_norm_1d)
    passes, _ = together(net, [0, 1])
    passes.gradient(*batch())
    assert all(tensor.is_meta for tensor in [*net.base.parameters(), *net.base.buffers()])
