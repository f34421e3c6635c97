"""Who trains in a law, and who trains beside them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tunelab.contracts import LayerModel, Optimizer, Plugin, Schedule
from tunelab.optimizers import SGD, Adam, Momentum, Muon, ScheduleFreeSGD
from tunelab.schedules import Constant, Cosine
from tunelab.space import Float

P = TypeVar("P", bound=Plugin)

STRANGERS: Sequence[Optimizer] = (SGD(lr=0.1), Muon(), Adam(), ScheduleFreeSGD(lr=0.1), Momentum(lr=0.05))
"""Rules of other kinds: by elements, by tensors, and one that is evaluated elsewhere than it trains."""


STEADY = Constant()


@dataclass(frozen=True)
class Entrant:
    """All that a new member is made of.

    Attributes:
        number: the trial's number, by which members of one rule are ordered.
        optimizer, schedule: what it trains with.
        seed: decides its weights and the order of its rows.
        epochs: how long it trains.
        model: its own model, where that may differ between members.
        poisoned: a number to begin all its parameters with in place of sensible ones.
    """

    number: int
    optimizer: Optimizer
    schedule: Schedule = STEADY
    seed: int = 0
    epochs: int = 6
    model: LayerModel | None = None
    poisoned: float | None = None

    def __str__(self) -> str:
        schedule = "" if self.schedule == STEADY else f", {self.schedule!r}"
        model = "" if self.model is None else f", {self.model!r}"
        return f"member {self.number} ({self.optimizer!r}{schedule}{model})"


def varied(plugin: P, dice: random.Random) -> P:
    """Return the plugin with new numbers wherever members may differ and the field, or its part's field, has a range.

    >>> varied(Adam(lr=0.5), random.Random(0)).lr < 0.5
    True
    """
    ranges = type(plugin).ranges()
    fields = {}
    for name, value in plugin:
        within = ranges.get(name)
        if isinstance(value, Plugin):
            value = varied(value, dice)
        elif isinstance(value, float) and isinstance(within, Float):
            value = within.at(dice.random())
        fields[name] = value
    return type(plugin)(**fields)


def of_its_rule(optimizer: Optimizer, count: int = 16) -> list[Entrant]:
    """Return the optimizer as member 0, and others of its rule with other hyperparameters and schedules."""
    dice = random.Random(0)
    others = [varied(optimizer, dice) for _ in range(1, count)]
    schedules = (STEADY, Cosine(), Cosine(final=0.1))
    return [
        Entrant(number, rule, schedules[number % 3], seed=100 + number)
        for number, rule in enumerate((optimizer, *others))
    ]


def among_strangers(optimizer: Optimizer) -> list[Entrant]:
    """Return four members of the optimizer's rule, every other place taken by a member of another rule."""
    own = of_its_rule(optimizer, 4)
    mine = [replace(entrant, number=2 * entrant.number) for entrant in own]
    theirs = [Entrant(2 * n + 1, rule, seed=200 + n) for n, rule in enumerate(STRANGERS)]
    return sorted([*mine, *theirs], key=lambda entrant: entrant.number)
