"""Two modules are alike exactly where one can stand for the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tunelab.backends.pytorch.alike import difference, likeness


@dataclass(slots=True)
class Config:
    width: int
    table: Any = None


class With(nn.Module):
    """Holds an attribute."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def linear(tied: bool = False, bias: bool = True) -> nn.Module:
    made = nn.Sequential(nn.Linear(4, 4, bias=bias), nn.Linear(4, 4, bias=bias))
    if tied:
        made[1].weight = made[0].weight
    return made


ALIKE: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
    "other parameters": lambda: (nn.Linear(3, 2), nn.Linear(3, 2)),
    "other buffers": lambda: (nn.BatchNorm1d(3), _trained(nn.BatchNorm1d(3))),
    "other rates": lambda: (nn.Dropout2d(0.1), nn.Dropout2d(0.9)),
    "other mode": lambda: (nn.Dropout(0.1), nn.Dropout(0.1).eval()),
    "equal numbers": lambda: (With([1, (2.0, "three"), {"four": {5}}]), With([1, (2.0, "three"), {"four": {5}}])),
    "equal tensors": lambda: (With(torch.arange(3)), With(torch.arange(3))),
    "equal half tensors": lambda: (
        With(torch.ones(2, dtype=torch.bfloat16)),
        With(torch.ones(2, dtype=torch.bfloat16)),
    ),
    "equal complex tensors": lambda: (With(torch.tensor(1j)), With(torch.tensor(1j))),
    "equal arrays": lambda: (With(np.eye(2)), With(np.eye(2))),
    "equal dataclasses": lambda: (With(Config(3, np.eye(2))), With(Config(3, np.eye(2)))),
    "equal namespaces": lambda: (With(SimpleNamespace(a=1)), With(SimpleNamespace(a=1))),
    "equal partials": lambda: (With(partial(functional.leaky_relu, negative_slope=0.1)),) * 2,
    "one function": lambda: (With(functional.relu), With(functional.relu)),
    "attention": lambda: (nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2)),
    "recurrence": lambda: (nn.GRU(3, 4), nn.GRU(3, 4)),
    "tied": lambda: (linear(tied=True), linear(tied=True)),
}

UNLIKE: dict[str, Callable[[], tuple[nn.Module, nn.Module, str]]] = {
    "width": lambda: (nn.Linear(3, 2), nn.Linear(3, 4), "out_features"),
    "class": lambda: (nn.ReLU(), nn.GELU(), "the module (its class is made anew each time)"),
    "number": lambda: (nn.Sequential(nn.ELU(1.0)), nn.Sequential(nn.ELU(0.5)), "0.alpha"),
    "whole number and true": lambda: (With(1), With(True), "value"),
    "list and tuple": lambda: (With([1]), With((1,)), "value"),
    "tensor": lambda: (With(torch.zeros(2)), With(torch.ones(2)), "value"),
    "shape of an empty tensor": lambda: (With(torch.zeros(0, 2)), With(torch.zeros(2, 0)), "value"),
    "imaginary part": lambda: (With(torch.tensor(1j)), With(torch.tensor(2j)), "value"),
    "array": lambda: (With(np.eye(2)), With(np.ones((2, 2))), "value"),
    "dataclass": lambda: (With(Config(3)), With(Config(4)), "value"),
    "partial": lambda: (With(partial(pow, 2)), With(partial(pow, 3)), "value"),
    "function": lambda: (With(lambda x: x), With(lambda x: x), "value"),
    "object": lambda: (With(object()), With(object()), "value"),
    "depth": lambda: (nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU(), nn.ReLU()), "its submodules"),
    "bias": lambda: (linear(), linear(bias=False), "0.its parameters"),
    "frozen": lambda: (nn.Linear(3, 2), nn.Linear(3, 2).requires_grad_(False), "its parameters"),
    "dtype of a buffer": lambda: (nn.BatchNorm1d(3), nn.BatchNorm1d(3).double(), "its parameters"),
    "tied and not": lambda: (linear(tied=True), linear(), "1.its parameters"),
}


def _trained(norm: nn.Module) -> nn.Module:
    norm(torch.randn(5, 3))
    return norm


@pytest.mark.parametrize("name", ALIKE)
def test_alike(name: str) -> None:
    one, other = ALIKE[name]()
    assert likeness(one) == likeness(other)
    assert hash(likeness(one)) == hash(likeness(other))


@pytest.mark.parametrize("name", UNLIKE)
def test_unlike(name: str) -> None:
    one, other, where = UNLIKE[name]()
    assert likeness(one) != likeness(other)
    assert difference(one, other) == where


def test_a_class_made_in_a_function_is_another_each_time() -> None:
    def made() -> nn.Module:
        class Inside(nn.Module): ...

        return Inside()

    assert likeness(made()) != likeness(made())


def test_a_submodule_that_is_used_twice_is_not_one_that_is_there_twice() -> None:
    shared = nn.Linear(4, 4)
    one, other = nn.Sequential(shared, shared), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert likeness(one) != likeness(other)
