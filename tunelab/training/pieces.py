"""What an optimizer sees of a flat parameter vector in one call, and where its slots for it lie."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tunelab.contracts import Array, Network, Optimizer, Rule


@dataclass(frozen=True)
class Part:
    """A tensor that lies in a flat vector.

    Attributes:
        where: its place.
        shape: its shape, without the member axis.
    """

    where: slice
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Piece(Part):
    """A tensor that a rule updates in one call.

    Attributes:
        slots: the rule's own tensors for it, by name.
    """

    slots: Mapping[str, Part]


def pieces(rule: Rule, network: Network) -> tuple[Piece, ...]:
    """Return each tensor of the network, or all of them as one flat one, as the rule wants to see it."""
    if rule.sees == "tensors":
        tensors = [(tensor.where, tensor.shape) for tensor in network.tensors()]
    else:
        tensors = [(slice(0, network.size), (network.size,))]
    ends: dict[str, int] = {}
    found = []
    for where, shape in tensors:
        slots = {}
        for name, slot_shape in rule.slot_shapes(shape).items():
            start = ends.get(name, 0)
            ends[name] = start + math.prod(slot_shape)
            slots[name] = Part(slice(start, ends[name]), slot_shape)
        found.append(Piece(where, shape, slots))
    return tuple(found)


def tensors_of(flat: Array, network: Network) -> tuple[Array, ...]:
    """Return each tensor `(*shape)` of one member's flat vector `(n,)`, without a copy."""
    return tuple(flat[tensor.where].reshape(tensor.shape) for tensor in network.tensors())


def slot_sizes(optimizer: Optimizer, network: Network) -> dict[str, int]:
    """Return how many numbers each slot holds for one member."""
    found: dict[str, int] = {}
    for prefix, level in by_prefix(optimizer).items():
        found |= {prefix + name: size for name, size in _own_sizes(level, network).items()}
    return found


def by_prefix(optimizer: Optimizer) -> dict[str, Optimizer]:
    """Return the levels of an optimizer by what stands before the names of their slots: ``, `inner.`, ..."""
    return {"inner." * depth: level for depth, level in enumerate(optimizer.levels())}


def _own_sizes(level: Optimizer, network: Network) -> dict[str, int]:
    if isinstance(level, Rule):
        return {name: part.where.stop for piece in pieces(level, network) for name, part in piece.slots.items()}
    return {name: math.prod(shape) for name, shape in level.slot_shapes((network.size,)).items()}
