"""Optimizer rules applied to a population: one group of rows for each rule, in blocks that stay in cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tunelab.contracts import Array, Backend, Optimizer
from tunelab.training.member import Member

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
        self.slots = {name: backend.empty(theta.shape) for name in self.optimizer.slots}
        for name, rows in self.slots.items():
            for row, member in enumerate(members):
                rows[row] = member.slots[name]
        self._xp = backend.xp
        self._tiny = 1e8 * float(backend.xp.finfo(theta.dtype).tiny)
        self._blocks = list(self._split(theta, grad, backend))
        self._scalars: list[list[SimpleNamespace]] = []

    def _split(self, theta: Array, grad: Array, backend: Backend) -> "list[_Block]":
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

    def prepare(self, scalars: dict[str, Array], steps: int) -> None:
        """Lay out the scalars `(S, p, 1)` of the next steps, so that a step only picks them up."""
        self._scalars = [
            [SimpleNamespace(**{name: v[step, block.rows] for name, v in scalars.items()}) for block in self._blocks]
            for step in range(steps)
        ]

    def update(self, step: int) -> None:
        """Apply the rule, with the scalars of step `step` of those prepared."""
        for block, k in zip(self._blocks, self._scalars[step], strict=True):
            self.optimizer.update(self._xp, block.theta, block.grad, block.slots, k, block.scratch)

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
