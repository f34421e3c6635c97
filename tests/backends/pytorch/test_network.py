"""A module as a network: what is trained, what is kept, and who is equal to whom."""

from typing import Any

import numpy as np
import pytest
import torch
from laws import zoo
from laws.modules import experiment
from torch import nn

from backends.pytorch.seats import network
from tunelab.models import TorchModel


def test_parameters_are_named_as_in_the_module_and_lie_one_behind_another() -> None:
    net = network(zoo.tied)
    tensors = list(net.tensors())
    assert [tensor.name for tensor in tensors] == ["scale", "unused", "into.weight", "tell.weight", "tell.bias"]
    assert [tensor.shape for tensor in tensors] == [(), (3,), (8, 64), (10, 64), (10,)]
    assert [tensor.where.start for tensor in tensors[1:]] == [tensor.where.stop for tensor in tensors[:-1]]
    assert net.size == tensors[-1].where.stop == 1 + 3 + 512 + 640 + 10


def test_a_start_is_what_the_module_starts_with_under_that_seed() -> None:
    net = network(zoo.buffers)
    start = net.start(7)
    torch.manual_seed(7)
    module = zoo.buffers()
    expected = torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])
    assert np.array_equal(start.theta, expected.numpy())
    assert {name: values.dtype.name for name, values in start.buffers.items()} == {
        "steps": "int64", "seen": "bool", "mean": "float32", "features": "float32",
    }  # fmt: skip
    assert np.array_equal(start.buffers["features"], module.features.numpy())
    assert not np.array_equal(start.buffers["features"], net.start(8).buffers["features"])


def test_making_a_module_leaves_torchs_generator_as_it_was() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    network(zoo.mlp).start(5)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_in_another_precision_trains_in_that_of_the_experiment(dtype: str) -> None:
    def build() -> nn.Module:
        made = nn.Sequential(nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))
        return made.double() if dtype == "float32" else made.half()

    start = network(build, dtype=dtype).start(0)
    assert start.theta.dtype == np.dtype(dtype)
    assert start.buffers["1.running_var"].dtype == np.dtype(dtype)
    assert start.buffers["1.num_batches_tracked"].dtype == np.int64


def test_a_network_holds_no_numbers() -> None:
    for build in (zoo.mlp, zoo.tied, zoo.buffers):
        net = network(build)
        assert all(tensor.is_meta for tensor in [*net.base.parameters(), *net.base.buffers()])
    assert isinstance(net.base.inner.weight, nn.Parameter)


def test_equal_modules_make_equal_networks_and_others_do_not() -> None:
    assert network(zoo.mlp) == network(zoo.mlp)
    assert hash(network(zoo.mlp)) == hash(network(zoo.mlp))
    assert network(zoo.mlp) != network(zoo.without_biases)
    assert network(zoo.mlp) != network(zoo.mlp, loss=nn.CrossEntropyLoss())
    assert network(zoo.mlp) != network(zoo.mlp, metrics={"m": max})
    assert network(zoo.mlp) != "a network"


def test_rates_do_not_part_networks_and_are_each_members_own() -> None:
    def rated(rate: float) -> Any:
        return network(TorchModel(zoo.dropout, rate=rate))

    assert rated(0.1) == rated(0.6)
    assert (rated(0.1).rates(), rated(0.6).rates()) == ((0.1,), (0.6,))


def test_metrics_are_those_that_the_targets_allow() -> None:
    assert network(zoo.mlp, metrics={"own": max}).metrics == ("loss", "accuracy", "own")
    values = experiment(zoo.mlp, "values")
    assert network(lambda: nn.Linear(64, 2), "values").metrics == ("loss",)
    assert values.objective == "val_loss"
