"""Operations on tensors, written down one after another, and the function that does them again."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

aten: Any = torch.ops.aten


class Slot:
    """What stands for a tensor: its name in the source of a function, and how it lay when it was seen.

    Attributes:
        storage: what it lies in, by a number that no other takes meanwhile.
        made: an operation made it; it was not given.
    """

    def __init__(self, number: int, tensor: Tensor, *, made: bool) -> None:
        self.storage, self.made = StorageWeakRef(tensor.untyped_storage()), made
        self.layout = (tuple(tensor.shape), tensor.stride(), tensor.dtype)
        self.start = tensor.data_ptr()
        self._name = f"v{number}"

    def __repr__(self) -> str:
        return self._name

    def same_memory(self, other: "Slot") -> bool:
        """Return whether both are one tensor under two names."""
        return (self.storage, self.layout, self.start) == (other.storage, other.layout, other.start)


@dataclass
class Operation:
    """One call.

    Attributes:
        call: an operation of PyTorch.
        args, kwargs: what it was called with, slots in the place of tensors.
        results: the slots of what it returned, None for what is no tensor.
        several: it returned more than one thing.
    """

    call: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[Slot | None]
    several: bool
    reads: list[Slot] = field(init=False)

    def __post_init__(self) -> None:
        self.reads = list(slots_in((self.args, self.kwargs)))

    @property
    def writes(self) -> bool:
        """Whether it writes to what it is given."""
        return bool(self.call._schema.is_mutable)

    @property
    def gives_back(self) -> bool:
        """Whether it only returns what it is given: a view of all of it as it is, or `detach`."""
        if self.writes or self.several or not self.args:
            return False
        (found,), first = self.results, self.args[0]
        return isinstance(first, Slot) and found is not None and found.same_memory(first)

    def source(self, function: str) -> str:
        """Return the call as a line of source."""
        names = ", ".join("_" if slot is None else repr(slot) for slot in self.results)
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{names}{',' * self.several}{' = ' * bool(names)}{function}({', '.join(given)})"


def slots_in(tree: Any) -> Iterator[Slot]:
    """Yield the slots in tuples, lists and dicts."""
    if isinstance(tree, Slot):
        yield tree
    elif isinstance(tree, tuple | list):
        for each in tree:
            yield from slots_in(each)
    elif isinstance(tree, dict):
        yield from slots_in(list(tree.values()))


def program(given: Sequence[Slot], operations: Sequence[Operation], result: Any) -> Callable[..., Any]:
    """Return a function of the given tensors that does the operations and returns the result.

    What it makes is let go as soon as nothing reads it any more.
    """
    returned, last = set(slots_in(result)), dict[Slot, int]()
    operations = _needed(operations, set(returned))
    write_in_place(operations, {slot.storage for slot in returned})
    for index, operation in enumerate(operations):
        last.update((slot, index) for slot in (*operation.results, *operation.reads) if slot and slot.made)
    done: dict[int, list[Slot]] = {}
    for slot, index in last.items():
        if slot not in returned:
            done.setdefault(index, []).append(slot)
    lines = [f"def program({', '.join(map(repr, given))}):"]
    for index, operation in enumerate(operations):
        lines.append(f"    {operation.source(f'f{index}')}")
        lines += [f"    del {', '.join(map(repr, done[index]))}"] if index in done else []
    lines.append(f"    return {result!r}")
    names = {f"f{index}": operation.call._op for index, operation in enumerate(operations)}
    names |= {"torch": torch, "device": torch.device, "inf": inf, "nan": nan}
    exec("\n".join(lines), names)
    found: Callable[..., Any] = names["program"]
    return found


def _needed(operations: Sequence[Operation], wanted: set[Slot]) -> list[Operation]:
    """Return the operations that a result needs, or that write to what they are given."""
    kept = []
    for operation in reversed(operations):
        if operation.writes or not wanted.isdisjoint(operation.results):
            wanted.update(operation.reads)
            kept.append(operation)
    return kept[::-1]


IN_PLACE: dict[Any, tuple[Any, str | None]] = {
    aten.relu.default: (aten.relu_.default, None),
    aten.tanh.default: (aten.tanh_.default, None),
    aten.sigmoid.default: (aten.sigmoid_.default, None),
    aten.add.Tensor: (aten.add_.Tensor, None),
    aten.sub.Tensor: (aten.sub_.Tensor, None),
    aten.mul.Tensor: (aten.mul_.Tensor, None),
    aten.div.Tensor: (aten.div_.Tensor, None),
    aten.threshold_backward.default: (aten.threshold_backward.grad_input, "grad_input"),
    aten.tanh_backward.default: (aten.tanh_backward.grad_input, "grad_input"),
    aten.sigmoid_backward.default: (aten.sigmoid_backward.grad_input, "grad_input"),
    aten.gelu_backward.default: (aten.gelu_backward.grad_input, "grad_input"),
    aten.silu_backward.default: (aten.silu_backward.grad_input, "grad_input"),
}
"""Elementwise operations: what writes over its first argument instead, and the name by which that is given again."""


def write_in_place(operations: Sequence[Operation], kept: Set[StorageWeakRef]) -> None:
    """Let elementwise operations write over what nothing reads after them: less memory is gone through.

    That takes a tenth off a small convolutional network's step.

    Args:
        operations: changed in place.
        kept: what is read when all are done.
    """
    last: dict[StorageWeakRef, int] = {}
    outside = set(kept)
    for index, operation in enumerate(operations):
        for slot in (*operation.reads, *filter(None, operation.results)):
            last[slot.storage] = index
            if not slot.made:
                outside.add(slot.storage)
    for index, operation in enumerate(operations):
        if operation.call not in IN_PLACE or not isinstance(operation.args[0], Slot):
            continue
        (made,), first = operation.results, operation.args[0]
        assert made is not None
        once = sum(slot.storage == first.storage for slot in set(operation.reads)) == 1
        if first.storage in outside or last[first.storage] > index or not once or made.layout != first.layout:
            continue
        operation.call, name = IN_PLACE[operation.call]
        operation.kwargs |= {name: first} if name else {}
