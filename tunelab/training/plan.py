"""Everything in a step that depends on its number alone, worked out for many steps at once in float64.

A learning rate, a bias correction or a warm-up costs some microseconds of Python for each member and step if it is
computed when it is needed, and next to nothing as one array over steps and members.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from tunelab.contracts import Array, Backend, Optimizer, Plugin, Rule
from tunelab.training.member import Member

STEPS_AT_ONCE = 256
"""Steps of one plan: bounds its memory where an epoch is long."""


@dataclass(frozen=True)
class Plan:
    """The scalars of the next steps.

    Attributes:
        lr: learning rates `(S, P, 1)` float64.
        scalars: for each group of members with one optimizer and each of its levels, `Optimizer.scalars` by name,
            `(S, p, 1)`: arrays of the backend, or of NumPy for a rule that sees members and takes them one by one.
    """

    lr: np.ndarray
    scalars: tuple[list[dict[str, Array]], ...]


def plan(members: Sequence[Member], groups: Sequence[slice], steps: int, backend: Backend) -> Plan:
    """Return the scalars of the next `steps` steps of members that are sorted into groups of one optimizer."""
    done = np.array([[member.step] for member in members])
    before = np.arange(steps)[:, None, None] + done  # (S, P, 1)
    factor = factors(members, before)
    lr = column(members, lambda m: m.optimizer.rule.lr) * factor
    return Plan(lr, tuple(_by_level(members[group], factor[:, group], before[:, group], backend) for group in groups))


def _by_level(
    members: Sequence[Member], factor: np.ndarray, before: np.ndarray, backend: Backend
) -> list[dict[str, Array]]:
    """Return the scalars of each level of one group's optimizer, `(S, p, 1)` each."""
    count = len(members)
    rows = at_least_two(range(count))
    twice = [members[row] for row in rows]
    levels = zip(*(member.optimizer.levels() for member in twice), strict=True)
    found = []
    for optimizers in levels:
        values = _scalars(optimizers, twice, factor[:, rows], before[:, rows])
        shape = before[:, rows].shape
        laid = {name: np.broadcast_to(value, shape)[:, :count] for name, value in values.items()}
        first = optimizers[0]
        as_numbers = isinstance(first, Rule) and first.sees == "members"
        found.append(laid if as_numbers else {name: backend.asarray(value) for name, value in laid.items()})
    return found


def _scalars(
    level: Sequence[Optimizer], members: Sequence[Member], factor: np.ndarray, before: np.ndarray
) -> Mapping[str, Array]:
    hyper = hyperparameters(level)
    hyper.total = column(members, lambda m: m.total)
    first = level[0]
    if isinstance(first, Rule):
        for name in first.scheduled:
            setattr(hyper, name, getattr(hyper, name) * factor)
        return first.scalars(hyper, before + 1.0 - column(members, lambda m: m.began))
    hyper.factor = factor
    hyper.lr = column(members, lambda m: m.optimizer.rule.lr) * factor
    return first.scalars(hyper, before + 1.0)


def factors(members: Sequence[Member], before: np.ndarray) -> np.ndarray:
    """Return what warm-up and schedule multiply each member's learning rate by, `(S, P, 1)`.

    Warm-up over w steps multiplies by (t + 1) / w; the schedule then runs over the steps that remain.
    """
    total = column(members, lambda m: m.total)
    warmup = np.round(column(members, lambda m: m.configuration.training.warmup * m.total))
    after, remaining = np.maximum(before - warmup, 0), np.maximum(total - warmup, 1)
    found = np.minimum((before + 1) / np.maximum(warmup, 1), 1.0)
    kinds: dict[object, list[int]] = {}
    for index, member in enumerate(members):
        kinds.setdefault(member.configuration.schedule.structure(), []).append(index)
    for kind in kinds.values():
        rows = at_least_two(kind)
        schedules = [members[row].configuration.schedule for row in rows]
        memories = [members[row].memory for row in rows]
        remembered = {name: np.array([[memory[name]] for memory in memories], np.float64) for name in memories[0]}
        hyper = SimpleNamespace(**vars(hyperparameters(schedules)), **remembered)
        factor = schedules[0].factor(hyper, after[:, rows], remaining[rows])
        found[:, kind] *= np.broadcast_to(factor, after[:, rows].shape)[:, : len(kind)]
    return found


def at_least_two(rows: Sequence[int]) -> list[int]:
    """Return the rows, a single one twice.

    Where one exponent serves a whole call and is 2 or 1/2, `numpy.power` squares or takes a root: other bits than
    those of its general loop, so that a lone member would differ from one in company.
    """
    return [*rows, *rows] if len(rows) == 1 else list(rows)


def hyperparameters(plugins: Sequence[Plugin]) -> SimpleNamespace:
    """Return the float fields of plugins of one structure, `(P, 1)` each, and those of the plugins that they hold."""

    def fields(name: str) -> list[Any]:
        return [getattr(plugin, name) for plugin in plugins]

    numbers = {name: np.array(fields(name))[:, None] for name in plugins[0].numbers()}
    parts = {name: hyperparameters(fields(name)) for name in plugins[0].parts()}
    return SimpleNamespace(**numbers, **parts)


def column(members: Sequence[Member], of: Callable[[Member], float]) -> np.ndarray:
    """Return one number a member, `(P, 1)` float64."""
    return np.array([[of(member)] for member in members], np.float64)
