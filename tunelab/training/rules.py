"""Optimizers applied to a population: one group of rows for each, its rule in blocks that stay in cache."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tunelab.contracts import Array, Backend, Network, Optimizer, Passes, Step
from tunelab.training.member import Member, side_by_side
from tunelab.training.pieces import Part, Piece, by_prefix, pieces, slot_sizes, tensors_of
from tunelab.training.streams import Purpose, stream

BLOCK = 65_536
"""Numbers that a rule sees at once: its arrays then stay in a core's cache from one operation to the next."""


def groups_of(members: Sequence[Member]) -> list[slice]:
    """Return the runs of neighbours that share an optimizer."""
    groups: list[slice] = []
    for index, member in enumerate(members):
        start = groups[-1].start if groups else 0
        if groups and members[start].optimizer.structure() == member.optimizer.structure():
            groups[-1] = slice(start, index + 1)
        else:
            groups.append(slice(index, index + 1))
    return groups


def sorted_by_rule(members: Sequence[Member]) -> list[Member]:
    """Return the members with those of one optimizer side by side, older trials first."""
    return sorted(members, key=lambda member: (repr(member.optimizer.structure()), member.trial.number))


@dataclass(frozen=True)
class _Block:
    """What a rule updates in one call, and of which rows; one member's tensors if it sees members."""

    rows: slice
    theta: Array
    grad: Array
    slots: dict[str, Any]
    scratch: Array

    def scalars(self, values: Mapping[str, Array], steps: int) -> list[SimpleNamespace]:
        """Return the numbers `(S, p, 1)` of these rows step by step, as many axes as the parameters have."""
        if isinstance(self.theta, tuple):
            columns: Mapping[str, Any] = {name: rows[:, self.rows].ravel().tolist() for name, rows in values.items()}
        else:
            axes = [1] * (self.theta.ndim - 1)
            columns = {name: rows[:, self.rows].reshape(len(rows), -1, *axes) for name, rows in values.items()}
        return [SimpleNamespace(**{name: rows[step] for name, rows in columns.items()}) for step in range(steps)]


@dataclass
class _Level(Step):
    """One level of a group's optimizer that does something around the level below it."""

    optimizer: Optimizer
    slots: dict[str, Array]
    index: int
    depth: int
    group: "RuleGroup"
    scalars: list[SimpleNamespace] = field(default_factory=list)

    def inner(self) -> None:
        """Take the step of the next level."""
        self.group.enter(self.depth + 1)

    def gradient(self) -> None:
        """Compute the gradient again."""
        self.group.gradient()

    def normal(self, out: Array) -> None:
        """Fill `out` with each member's own noise of this step."""
        self.group.normal(out)


class RuleGroup:
    """The rows of a population that one optimizer updates.

    Args:
        members: those of the group.
        theta: their parameters `(p, n)`, a view.
        grad: their gradients `(p, n)`, a view.
        backend: what computes.
        gradient: computes the gradient again, at the present parameters; by default it stays what it is.
    """

    def __init__(
        self,
        members: Sequence[Member],
        theta: Array,
        grad: Array,
        backend: Backend,
        gradient: Callable[[], None] = lambda: None,
    ) -> None:
        optimizer, network = members[0].optimizer, members[0].network
        self.optimizer, self.gradient = optimizer, gradient
        self.slots = {name: self._laid(name, members, backend) for name in slot_sizes(optimizer, network)}
        self._members = members
        self._xp, self._backend = backend.xp, backend
        self._tiny = 1e8 * float(backend.xp.finfo(theta.dtype).tiny)
        self._theta, self._grad = theta, grad
        self._rule = optimizer.rule
        own = {prefix: self._own_slots(prefix) for prefix in by_prefix(optimizer)}
        *_, rule_slots = own.values()
        if self._rule.sees == "members":
            self._blocks = self._one_by_one(theta, grad, network, backend)
        elif self._rule.sees == "elements":
            self._blocks = [block for block, _ in self._elements(theta, grad, rule_slots, backend)]
        else:
            self._blocks = self._tensors(theta, grad, rule_slots, pieces(self._rule, network), backend)
        levels = list(zip(optimizer.levels(), own.values(), strict=True))
        acting = [i for i, (level, _) in enumerate(levels) if type(level).around is not Optimizer.around]
        self._levels = [_Level(*levels[index], index, depth, self) for depth, index in enumerate(acting)]
        self._averaging = next((pair for pair in levels if pair[0].averages), None)
        self._scratch = backend.empty(theta.shape if self._levels or self._averaging else (0,))
        self._scalars: list[list[SimpleNamespace]] = []
        self._step = 0
        self._rule_slots = rule_slots
        blocks = self._blocks  # a reference to this group would keep it until circles are looked for
        self._gradients: Callable[[], list[Array]] = lambda: [block.grad for block in blocks]

    def follow(self, passes: Passes) -> None:
        """Take gradients from where they arise, which saves a copy of them all, if this rule and these passes can."""
        found = passes.own_gradients() if self._rule.sees == "elements" and not self._levels else None
        if found is None:
            return
        parts = []
        self._blocks = []
        for index, tensor in enumerate(self._members[0].network.tensors()):
            rows = self._theta[:, tensor.where], self._grad[:, tensor.where]
            slots = {name: slot[:, tensor.where] for name, slot in self._rule_slots.items()}
            for block, where in self._elements(*rows, slots, self._backend):
                self._blocks.append(block)
                parts.append((index, where))

        def gradients() -> list[Array]:
            flat = found()
            return [flat[index][where] for index, where in parts]

        self._gradients = gradients

    def _laid(self, name: str, members: Sequence[Member], backend: Backend) -> Array:
        """Lay one slot of all members into rows, which are theirs from now on."""
        rows = side_by_side([member.slots[name] for member in members], backend)
        for row, member in zip(rows, members, strict=True):
            member.slots[name] = row
        return rows

    def _own_slots(self, prefix: str) -> dict[str, Array]:
        """Return the slots of one level by its own names."""
        found = {name.removeprefix(prefix): v for name, v in self.slots.items() if name.startswith(prefix)}
        return {name: values for name, values in found.items() if not name.startswith("inner.")}

    def _elements(
        self, theta: Array, grad: Array, own: dict[str, Array], backend: Backend
    ) -> list[tuple[_Block, tuple[slice, slice]]]:
        """Cut the rows into blocks that stay in cache, each with its place.

        What a rule does to an element depends on that element alone.
        """
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
                slots = {name: slot[part] for name, slot in own.items()}
                free = scratch[: shape[0] * shape[1]].reshape(shape)
                blocks.append((_Block(rows, theta[part], grad[part], slots, free), part))
        return blocks

    def _tensors(
        self, theta: Array, grad: Array, own: dict[str, Array], parts: Sequence[Piece], backend: Backend
    ) -> list[_Block]:
        """Return one block a tensor, of all members."""
        lengths = [piece.where.stop - piece.where.start for piece in parts]
        scratch = backend.empty((len(theta) * max(lengths),))
        return [
            _Block(
                slice(None),
                _view(theta, piece),
                _view(grad, piece),
                {name: _view(own[name], part) for name, part in piece.slots.items()},
                scratch[: len(theta) * length].reshape(len(theta), *piece.shape),
            )
            for piece, length in zip(parts, lengths, strict=True)
        ]

    def _one_by_one(self, theta: Array, grad: Array, network: Network, backend: Backend) -> list[_Block]:
        """Return one block a member, whose own object moves to its new place."""
        scratch = backend.empty((0,))
        blocks = []
        for row, member in enumerate(self._members):
            assert member.own is not None
            parts = tensors_of(theta[row], network), tensors_of(grad[row], network)
            member.own.bind(*parts)
            blocks.append(_Block(slice(row, row + 1), *parts, {"own": member.own}, scratch))
        return blocks

    def prepare(self, scalars: Sequence[dict[str, Array]], steps: int) -> None:
        """Lay out the scalars `(S, p, 1)` of each level for the next steps, so that a step only picks them up."""
        by_block = [block.scalars(scalars[-1], steps) for block in self._blocks]
        self._scalars = [list(of_step) for of_step in zip(*by_block, strict=True)]
        for level in self._levels:
            own = scalars[level.index].items()
            level.scalars = [SimpleNamespace(**{name: v[step] for name, v in own}) for step in range(steps)]

    def update(self, step: int) -> None:
        """Take the step `step` of those prepared."""
        self._step = step
        self.enter(0)

    def enter(self, depth: int) -> None:
        """Take the present step of the level of this depth, and of all below it."""
        if depth < len(self._levels):
            at = self._levels[depth]
            k = at.scalars[self._step]
            at.optimizer.around(at, self._xp, self._theta, self._grad, at.slots, k, self._scratch)
        else:
            for block, grad, k in zip(self._blocks, self._gradients(), self._scalars[self._step], strict=True):
                self._rule.update(self._xp, block.theta, grad, block.slots, k, block.scratch)

    def normal(self, out: Array) -> None:
        """Fill `(p, n)` with standard normal numbers, a function of each member's seed and step."""
        for row, member in zip(out, self._members, strict=True):
            generator = stream(member.trial.seed, Purpose.PROBE, member.step + self._step)
            row[...] = self._backend.asarray(generator.standard_normal(len(row)))

    def to_evaluation(self) -> Array | None:
        """Put the parameters to evaluate in place of those to train; return the latter, None if they are the same."""
        if self._averaging is None:
            return None
        trained = self._backend.empty(self._theta.shape)
        trained[...] = self._theta
        level, slots = self._averaging
        if level is self._rule and self._rule.sees == "members":
            for block in self._blocks:
                level.average(self._xp, block.theta, block.slots, block.scratch)
        else:
            level.average(self._xp, self._theta, slots, self._scratch)
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
            for start in range(0, rows.shape[1], BLOCK):
                part = rows[:, start : start + BLOCK]
                part[self._xp.abs(part) < self._tiny] = 0.0

    def give_back(self, members: Sequence[Member]) -> None:
        """Give each member slots of its own again; a lone one's are."""
        for name, rows in self.slots.items() if len(members) > 1 else ():
            for row, member in zip(rows, members, strict=True):
                member.slots[name] = self._backend.copy(row)


def _view(rows: Array, part: Part) -> Array:
    """Return a part of flat rows `(p, n)` as tensors `(p, *shape)`, without a copy."""
    return rows[:, part.where].reshape(len(rows), *part.shape)
