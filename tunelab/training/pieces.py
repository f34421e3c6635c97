"""What an optimizer sees of a flat parameter vector in one call, and where its slots for it lie."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tunelab.contracts import Optimizer
from tunelab.training.network import Network


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


def pieces(optimizer: Optimizer, network: Network) -> tuple[Piece, ...]:
    """Return each tensor of the network, or all of them as one flat one, as the optimizer wants to see it."""
    if optimizer.sees == "tensors":
        tensors = [(where, parameter.shape) for _, parameter, where in network.parameters()]
    else:
        tensors = [(slice(0, network.size), (network.size,))]
    ends: dict[str, int] = {}
    found = []
    for where, shape in tensors:
        slots = {}
        for name, slot_shape in optimizer.slot_shapes(shape).items():
            start = ends.get(name, 0)
            ends[name] = start + math.prod(slot_shape)
            slots[name] = Part(slice(start, ends[name]), slot_shape)
        found.append(Piece(where, shape, slots))
    return tuple(found)


def slot_sizes(optimizer: Optimizer, network: Network) -> dict[str, int]:
    """Return how many numbers each slot holds for one member."""
    found: dict[str, int] = {}
    for piece in pieces(optimizer, network):
        for name, part in piece.slots.items():
            found[name] = part.where.stop
    return found
