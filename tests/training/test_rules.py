"""Rules on a population: groups, blocks and slots."""

from typing import Any, ClassVar

import numpy as np
import pytest
from laws.runs import OPTIMIZERS

from training.rig import DOUBLE, member, network
from tunelab.contracts import Array, Rule
from tunelab.models import Quadratic
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.plugins import load
from tunelab.training import rules
from tunelab.training.plan import plan
from tunelab.training.rules import RuleGroup, groups_of, sorted_by_rule


class Flagged(SGD):
    """A rule with a flag, which members of a group must share."""

    uphill: bool = False
    slots: ClassVar[tuple[str, ...]] = ("seen",)

    def update(self, xp: Any, theta: Array, grad: Array, slots: Any, k: Any, scratch: Array) -> None:
        slots["seen"] += 1
        (xp.add if self.uphill else xp.subtract)(theta, k.lr * grad, out=theta)


def numbers(members: Any) -> list[int]:
    return [one.trial.number for one in members]


def test_members_of_one_rule_stand_side_by_side_older_first() -> None:
    members = [member(n, (Adam, SGD, Momentum)[n % 3](lr=0.1)) for n in (5, 4, 3, 2, 1, 0)]
    found = sorted_by_rule(members)
    groups = [found[where] for where in groups_of(found)]
    assert [type(group[0].configuration.optimizer) for group in groups] == [Adam, Momentum, SGD]
    assert [numbers(group) for group in groups] == [[0, 3], [2, 5], [1, 4]]
    assert sum((where.stop - where.start for where in groups_of(found)), 0) == 6


def test_rules_with_other_flags_are_not_mixed() -> None:
    members = sorted_by_rule([member(n, Flagged(lr=0.1, uphill=n % 2 == 1)) for n in range(4)])
    assert [numbers(members[where]) for where in groups_of(members)] == [[0, 2], [1, 3]]


def test_rules_with_other_numbers_are_mixed() -> None:
    members = sorted_by_rule([member(n, Adam(lr=0.1 * (n + 1), beta1=0.1 * n)) for n in range(4)])
    assert groups_of(members) == [slice(0, 4)]


def test_nobody_has_no_groups() -> None:
    assert groups_of([]) == []


def steps(optimizer: str, size: int, count: int, taken: int = 3) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """Return parameters and slots after some steps of fixed random gradients."""
    net = network(Quadratic(start=tuple(np.linspace(-1, 1, size))))
    rule: Any = load("optimizer", optimizer)
    fields = [{"lr": 0.01 * (n + 1)} if issubclass(rule, Rule) else {} for n in range(count)]
    members = [member(n, rule(**fields[n]), net=net) for n in range(count)]
    theta = np.stack([one.theta for one in members])
    grad, random = np.empty_like(theta), np.random.default_rng(size)
    group = RuleGroup(members, theta, grad, DOUBLE)
    group.prepare(plan(members, [slice(0, count)], taken, DOUBLE).scalars[0], taken)
    for step in range(taken):
        grad[:] = random.normal(size=grad.shape)
        group.update(step)
    group.give_back(members)
    return theta, [one.slots for one in members]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("size", "count"), [(3, 5), (40, 5), (41, 3), (100, 4), (205, 2)])
def test_blocks_change_no_bit(optimizer: str, size: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, kept = steps(optimizer, size, count)
    monkeypatch.setattr(rules, "BLOCK", 41)  # several rows a block, one row a block, several blocks a row
    theta, slots = steps(optimizer, size, count)
    assert np.array_equal(theta, whole)
    for one, other in zip(slots, kept, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in other)


def test_every_number_lies_in_exactly_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BLOCK", 41)
    for size, count in ((3, 5), (40, 5), (41, 3), (100, 4), (205, 2)):
        net = network(Quadratic(start=(0.0,) * size))
        members = [member(n, Flagged(lr=1.0), net=net) for n in range(count)]
        theta, grad = np.zeros((count, size)), np.ones((count, size))
        group = RuleGroup(members, theta, grad, DOUBLE)
        group.prepare(plan(members, [slice(0, count)], 1, DOUBLE).scalars[0], 1)
        group.update(0)
        assert (theta == -1.0).all()
        assert (group.slots["seen"] == 1.0).all()
        assert all(block.theta.size <= 41 for block in group._blocks)


def test_slots_go_back_to_their_own_members() -> None:
    members = [member(n, Momentum(lr=0.1)) for n in range(3)]
    for one in members:
        one.slots["velocity"][:] = one.trial.number
    group = RuleGroup(members, np.zeros((3, 2)), np.zeros((3, 2)), DOUBLE)
    group.slots["velocity"][:] += 10
    group.give_back(members)
    assert [one.slots["velocity"].tolist() for one in members] == [[10, 10], [11, 11], [12, 12]]
    group.slots["velocity"][:] = -1
    assert members[0].slots["velocity"].tolist() == [10, 10], "what was given back is a copy"


def test_what_is_all_but_denormal_is_flushed_and_nothing_else() -> None:
    one = member(0, Momentum(lr=0.1))
    group = RuleGroup([one], np.zeros((1, 2)), np.zeros((1, 2)), DOUBLE)
    group.slots["velocity"][:] = [[1e-300, -1e-305]]
    group.flush()
    assert group.slots["velocity"].tolist() == [[1e-300 if abs(1e-300) >= group._tiny else 0.0, 0.0]]
