"""When one module can stand for another: the same computation on other parameters and buffers."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Modules whose rate `p` may differ between members."""

_INTERNAL = {"_parameters", "_buffers", "_modules", "training"}


class _Itself:
    """Equal to nothing but the same object."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def likeness(module: nn.Module) -> tuple[Any, ...]:
    """Return what decides the computation, hashable: submodules, their classes, their attributes, shapes.

    Values of parameters and buffers do not count, nor the rate of a dropout module. Numbers, text, arrays, tuples,
    lists, dicts and dataclasses count by value; a function or any other object only equals itself.

    >>> likeness(nn.Dropout(0.1)) == likeness(nn.Dropout(0.5))
    True
    >>> likeness(nn.Linear(3, 2)) == likeness(nn.Linear(3, 4)), likeness(nn.ELU(1.0)) == likeness(nn.ELU(0.5))
    (False, False)
    """
    return tuple((name, *entry) for name, entry in _entries(module))


def difference(one: nn.Module, other: nn.Module) -> str:
    """Return where two modules that are not alike differ first: `0.activation`."""
    found, others = dict(_entries(one)), dict(_entries(other))
    for name in found:
        if name not in others:
            return name or "its submodules"
        if found[name] != others[name]:
            if found[name][0] is not others[name][0]:
                return f"{name or 'the module'} (its class is made anew each time)"
            attributes, theirs = dict(found[name][1]), dict(others[name][1])
            changed = (key for key in attributes if attributes[key] != theirs.get(key))
            return ".".join(filter(None, (name, next(changed, "its parameters"))))
    return "its submodules"


def _entries(module: nn.Module) -> Iterator[tuple[str, tuple[Any, ...]]]:
    first: dict[int, str] = {}
    for name, part in module.named_modules(remove_duplicate=False):
        skip = _INTERNAL | ({"p"} if isinstance(part, DROPOUTS) else set())
        attributes = tuple((key, _frozen(value)) for key, value in sorted(vars(part).items()) if key not in skip)
        tensors = tuple(
            (kind, key, None if tensor is None else _described(tensor, first.setdefault(id(tensor), f"{name}.{key}")))
            for kind, group in (("parameter", part._parameters), ("buffer", part._buffers))
            for key, tensor in group.items()
        )
        yield name, (type(part), attributes, tensors)


def _described(tensor: torch.Tensor, first: str) -> tuple[Any, ...]:
    """Return what counts of a parameter or buffer; where it was met first tells which are tied."""
    return tuple(tensor.shape), tensor.dtype, tensor.requires_grad, first


def _frozen(value: Any) -> Any:
    if isinstance(value, weakref.ref):
        return _frozen(value())
    if isinstance(value, nn.Parameter):
        return ("parameter", tuple(value.shape))
    if isinstance(value, torch.Tensor):
        return ("tensor", *_bits(value))
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return ("array", value.shape, value.dtype, value.tobytes())
    if isinstance(value, bool | int | float | complex | str | bytes | type | torch.dtype | torch.device | None):
        return (type(value), value)
    if isinstance(value, Mapping):
        return (type(value), tuple((key, _frozen(each)) for key, each in value.items()))
    if isinstance(value, Sequence):
        return (type(value), tuple(map(_frozen, value)))
    if isinstance(value, set | frozenset):
        return (type(value), frozenset(map(_frozen, value)))
    if isinstance(value, partial):
        return (type(value), _frozen(value.func), _frozen(value.args), _frozen(value.keywords))
    if isinstance(value, SimpleNamespace):
        return (type(value), _frozen(vars(value)))
    if is_dataclass(value):
        return (type(value), tuple(_frozen(getattr(value, each.name)) for each in fields(value)))
    return _Itself(value)


def _bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    plain = tensor.detach().cpu().contiguous()
    return tuple(plain.shape), plain.dtype, plain.reshape(-1).view(torch.uint8).numpy().tobytes()
