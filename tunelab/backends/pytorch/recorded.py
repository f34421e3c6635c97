"""What a function of tensors was seen to do, done again without the function."""

import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from tunelab.backends.pytorch.operations import Operation, Slot, program

Groups = Sequence[Sequence[Tensor]]
"""The tensors that a function is given."""

MOST = 64
"""So many functions are remembered: one for each number of members and rows, in training and in evaluation."""

PATIENCE = 8
"""So many calls pay for writing a small network's step down: 10 ms, for 0.3 ms at each call that follows."""

_DEPENDS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""What PyTorch says of operations that return a number, or as many elements as the numbers in their tensors have it."""


class Recordings:
    """Functions of tensors, each run as the operations of PyTorch that it was seen to call.

    A small network's step is mostly Python, autograd and `vmap` finding out what to call; what they call is the same
    at each step. So a function that is called again and again is written down, tried beside what was written down,
    and if all bits agree only that is run from then on. A function whose operations depend on the numbers in its
    tensors, or that draws random numbers of its own, goes on being called.
    """

    def __init__(self) -> None:
        self._seen: dict[Hashable, _Seen] = {}

    def run(self, key: Hashable, function: Callable[..., Any], given: Groups, written: Sequence[Tensor]) -> Any:
        """Return what a function of groups of tensors returns: tensors in tuples and dicts.

        Args:
            key: what decides what the function does, shapes and strides included.
            function: called with the groups.
            given: the groups; the function must not use any other tensors that change.
            written: those of them that it writes to.
        """
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) == MOST:
                del self._seen[next(iter(self._seen))]
            seen = self._seen[key] = _Seen()
        return seen.run(function, given, written)


class _Seen:
    """One function, and what is known of it."""

    def __init__(self) -> None:
        self._calls = 0
        self._program: Callable[..., Any] | None = None

    def run(self, function: Callable[..., Any], given: Groups, written: Sequence[Tensor]) -> Any:
        self._calls += 1
        if self._calls == PATIENCE:
            result, self._program = record(function, given)
            return result
        if self._program is None:
            return function(*given)
        if self._calls == PATIENCE + 1:
            return self._tried(function, given, written)
        try:
            with torch.no_grad():
                return self._program(*chain.from_iterable(given))
        except Exception:
            function(*given)  # which tells more of what is wrong
            raise

    def _tried(self, function: Callable[..., Any], given: Groups, written: Sequence[Tensor]) -> Any:
        """Run program and function; forget the program unless both did the same, bit for bit."""
        assert self._program is not None
        with torch.no_grad():
            before = [tensor.clone() for tensor in written]
            try:
                found = [*tree_leaves(self._program(*chain.from_iterable(given))), *map(torch.clone, written)]
            except Exception:
                found = []
            for tensor, values in zip(written, before, strict=True):
                tensor.copy_(values)
        result = function(*given)
        expected = [*tree_leaves(result), *written]
        if len(found) != len(expected) or not all(map(_same, found, expected)):
            self._program = None
        return result


def record(function: Callable[..., Any], given: Groups) -> tuple[Any, Callable[..., Any] | None]:
    """Return what a function returns, and what it did as a function of all its tensors.

    The latter is None where that depends on more than the shapes of the tensors.

    >>> def scaled(pair, factor):
    ...     return pair[0] * factor[0] + pair[1]
    >>> pair, two = [torch.ones(2), torch.zeros(2)], [torch.tensor(2.0)]
    >>> result, program = record(scaled, [pair, two])
    >>> result, program(torch.zeros(2), torch.ones(2), torch.tensor(3.0))
    (tensor([2., 2.]), tensor([1., 1.]))
    """
    before = _drawn()
    with _Recorder(list(chain.from_iterable(given))) as recorder:
        result = function(*given)
    if recorder.depends or before != _drawn():
        return result, None
    return result, recorder.program(result)


class _Recorder(TorchDispatchMode):
    """Writes down operations, below autograd and `vmap`: those on the tensors themselves."""

    def __init__(self, given: Sequence[Tensor]) -> None:
        super().__init__()
        self.depends = False
        self._count = 0
        self._slots = WeakTensorKeyDictionary()
        self._operations: list[Operation] = []
        self._constants: list[tuple[Tensor, Slot]] = []
        self._given = [self._slot(tensor, made=False) for tensor in given]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare a process the import of `torch._dynamo`, 2 seconds, for compilers to keep out of here."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call an operation, and write it down unless it only gives back what it was given."""
        kwargs = kwargs or {}
        self.depends = self.depends or _depends(func, args)
        given, named = self._named(tuple(args)), self._named(dict(kwargs))
        found = func(*args, **kwargs)
        several = isinstance(found, tuple | list)
        results = [self._result(each) for each in (found if several else [found])]
        operation = Operation(func, given, named, results, several)
        if operation.gives_back:
            self._slots[found] = given[0]
        else:
            self._operations.append(operation)
        return found

    def program(self, result: Any) -> Callable[..., Any]:
        """Return a function of all given tensors that does what was written down."""
        named, constants = self._named(result), [tensor for tensor, _ in self._constants]
        run = program([*self._given, *(slot for _, slot in self._constants)], self._operations, named)
        return (lambda *given: run(*given, *constants)) if constants else run

    def _named(self, tree: Any) -> Any:
        """Return slots in the place of tensors; a tensor that nothing made is the same at each call."""
        if isinstance(tree, Tensor):
            if tree not in self._slots:
                self._constants.append((tree, self._slot(tree, made=False)))
            return self._slots[tree]
        if isinstance(tree, tuple | list):
            return type(tree)(map(self._named, tree))
        if isinstance(tree, dict):
            return {name: self._named(value) for name, value in tree.items()}
        return tree

    def _result(self, found: Any) -> Slot | None:
        """Return the slot of what an operation returned; what was written to has one."""
        if not isinstance(found, Tensor):
            return None
        return self._slots[found] if found in self._slots else self._slot(found, made=True)

    def _slot(self, tensor: Tensor, *, made: bool) -> Slot:
        self._count += 1
        slot = self._slots[tensor] = Slot(self._count, tensor, made=made)
        return slot


def _depends(func: Any, args: Sequence[Any]) -> bool:
    """Return whether Python may go another way after an operation, as the numbers in its tensors are."""
    if func is torch.ops.aten.index.Tensor:
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return not _DEPENDS.isdisjoint(func.tags)


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, Tensor):
        return bool(one == other)
    return one.shape == other.shape and bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


def _drawn() -> tuple[Any, ...]:
    """Return how far the global generators of random numbers have come."""
    _, keys, position, *_ = np.random.get_state(legacy=True)
    return torch.random.get_rng_state().numpy().tobytes(), random.getstate(), np.asarray(keys).tobytes(), position
