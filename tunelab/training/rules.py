"""Optimizer rules applied to a population: one group of rows for each rule, in blocks that stay in cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tunelab.contracts import Array, Backend, Optimizer
from tunelab.training.member import Member
from tunelab.training.pieces import Part, Piece, pieces, slot_sizes

BLOCK = 65_536
"""Numbers that a rule sees at once: its arrays then stay in a core's cache from one operation to the next."""


def groups_of(members: Sequence[Member]) -> list[slice]:
    """Return the runs of neighbours that share a rule."""
    groups: list[slice] = []
    for index, member in enumerate(members):
        start = groups[-1].start if groups else 0
        if groups and _rule(members[start]) == _rule(member):
            groups[-1] = slice(start, index + 1)
        else:
            groups.append(slice(index, index + 1))
    return groups


def sorted_by_rule(members: Sequence[Member]) -> list[Member]:
    """Return the members with those of one rule side by side, older trials first."""
    return sorted(members, key=lambda member: (repr(_rule(member)), member.trial.number))


def _rule(member: Member) -> tuple[Any, ...]:
    return member.configuration.optimizer.structure()


@dataclass(frozen=True)
class _Block:
    rows: slice
    theta: Array
    grad: Array
    slots: dict[str, Array]
    scratch: Array


class RuleGroup:
    """The rows of a population that one rule updates.

    Args:
        members: those of the group.
        theta: their parameters `(p, n)`, a view.
        grad: their gradients `(p, n)`, a view.
        backend: what computes.
    """

    def __init__(self, members: Sequence[Member], theta: Array, grad: Array, backend: Backend) -> None:
        self.optimizer: Optimizer = members[0].configuration.optimizer
        network = members[0].network
        sizes = slot_sizes(self.optimizer, network)
        self.slots = {name: backend.empty((len(members), size)) for name, size in sizes.items()}
        for name, rows in self.slots.items():
            for row, member in enumerate(members):
                rows[row] = member.slots[name]
        self._xp, self._backend = backend.xp, backend
        self._tiny = 1e8 * float(backend.xp.finfo(theta.dtype).tiny)
        self._theta = theta
        self._blocks = (
            self._elements(theta, grad, backend)
            if self.optimizer.sees == "elements"
            else self._tensors(theta, grad, pieces(self.optimizer, network), backend)
        )
        self._scalars: list[list[SimpleNamespace]] = []

    def _elements(self, theta: Array, grad: Array, backend: Backend) -> list[_Block]:
        """Cut the rows into blocks that stay in cache: what a rule does to an element depends on that element alone."""
        members, size = theta.shape
        tall = max(1, min(members, BLOCK // max(size, 1)))
        wide = -(-size // max(1, -(-size // BLOCK)))
        scratch = backend.empty((tall * wide,))
        blocks = []
        for top in range(0, members, tall):
            rows = slice(top, min(top + tall, members))
            for left in range(0, size, wide):
                part = (rows, slice(left, min(left + wide, size)))
                shape = theta[part].shape
                slots = {name: slot[part] for name, slot in self.slots.items()}
                free = scratch[: shape[0] * shape[1]].reshape(shape)
                blocks.append(_Block(rows, theta[part], grad[part], slots, free))
        return blocks

    def _tensors(self, theta: Array, grad: Array, parts: Sequence[Piece], backend: Backend) -> list[_Block]:
        """Return one block a tensor, of all members."""
        lengths = [piece.where.stop - piece.where.start for piece in parts]
        scratch = backend.empty((len(theta) * max(lengths),))
        return [
            _Block(
                slice(None),
                _view(theta, piece),
                _view(grad, piece),
                {name: _view(self.slots[name], part) for name, part in piece.slots.items()},
                scratch[: len(theta) * length].reshape(len(theta), *piece.shape),
            )
            for piece, length in zip(parts, lengths, strict=True)
        ]

    def prepare(self, scalars: dict[str, Array], steps: int) -> None:
        """Lay out the scalars `(S, p, 1)` of the next steps, so that a step only picks them up."""
        shaped = [
            {name: v[:, block.rows].reshape(len(v), -1, *[1] * (block.theta.ndim - 1)) for name, v in scalars.items()}
            for block in self._blocks
        ]
        self._scalars = [
            [SimpleNamespace(**{name: v[step] for name, v in block.items()}) for block in shaped]
            for step in range(steps)
        ]

    def update(self, step: int) -> None:
        """Apply the rule, with the scalars of step `step` of those prepared."""
        for block, k in zip(self._blocks, self._scalars[step], strict=True):
            self.optimizer.update(self._xp, block.theta, block.grad, block.slots, k, block.scratch)

    def to_evaluation(self) -> Array | None:
        """Put the parameters to evaluate in place of those to train; return the latter, None if they are the same."""
        if not self.optimizer.averages:
            return None
        trained = self._backend.empty(self._theta.shape)
        trained[...] = self._theta
        for block in self._blocks:
            self.optimizer.average(self._xp, block.theta, block.slots, block.scratch)
        return trained

    def to_training(self, trained: Array | None) -> None:
        """Undo `to_evaluation`."""
        if trained is not None:
            self._theta[...] = trained

    def flush(self) -> None:
        """Set slot values that are all but denormal to zero.

        A unit that died leaves its averages decaying for ever; arithmetic on denormal numbers is 5 to 10 times dearer.
        """
        for rows in self.slots.values():
            rows[self._xp.abs(rows) < self._tiny] = 0.0

    def give_back(self, members: Sequence[Member]) -> None:
        """Copy the slots back to their members."""
        for name, rows in self.slots.items():
            for row, member in zip(rows, members, strict=True):
                member.slots[name] = row.copy()


def _view(rows: Array, part: Part) -> Array:
    """Return a part of flat rows `(p, n)` as tensors `(p, *shape)`, without a copy."""
    return rows[:, part.where].reshape(len(rows), *part.shape)
