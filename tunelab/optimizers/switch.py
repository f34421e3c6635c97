"""Train with one optimizer, then with another."""

import math
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from tunelab.contracts import Optimizer, Rule
from tunelab.errors import PluginError
from tunelab.optimizers.adam import Adam
from tunelab.optimizers.momentum import Momentum
from tunelab.optimizers.nesterov import Nesterov
from tunelab.optimizers.projected_rate import ProjectedRate
from tunelab.optimizers.sgd import SGD
from tunelab.space import Float, FromTrials


class Switch(Optimizer):
    """One optimizer up to a point of the training, another from there on, with a learning rate that fits.

        first:   steps 1 ... b,              b = ceil(at * total)
        second:  steps b + 1 ... total

    The learning rate of the second one is its own; or `rate` times that of the first; or, with `rate="swats"`, the one
    that is measured while the first trains: with p_t its steps and g_t their gradients,

        gamma_t = p_t'p_t / (-p_t'g_t),    averaged with the first one's beta2 (or 0.999) and corrected for its start,

    divided by the schedule's factor of the step, and times 1 - momentum for `Momentum` and `Nesterov`. The schedule
    goes on over the whole training and multiplies either rate. SWATS itself hands over when gamma settles; here it is
    at a point, which can be searched.

    State is carried where it means something: sums of gradients and of their squares, if they are all that the second
    rule needs (`Adam` to `AdamW` or `Momentum`), and the averages of a wrapper that both have. Otherwise the second
    rule begins anew, its bias corrections included. For more than two: `Switch(first=..., second=Switch(...))`; each
    `at` is a part of the whole training.

    Attributes:
        first: what trains up to the point.
        second: what trains from there on.
        at: the point, as a part of the training.
        rate: `"own"`; a number, that many times the first one's learning rate; or `"swats"`, for `SGD`, `Momentum` and
            `Nesterov`.

    >>> rule = Switch(first=Adam(), second=SGD(lr=0.1), at=0.3)
    >>> type(rule.at_step(29, 100)).__name__, type(rule.at_step(30, 100)).__name__, rule.changes(100)
    ('Adam', 'SGD', (30,))

    Reference: Keskar & Socher, Improving Generalization Performance by Switching from Adam to SGD, arXiv:1712.07628.
    """

    first: Annotated[Optimizer, Adam.search()] = Adam()
    second: Annotated[Optimizer, SGD.search()] = SGD()
    at: Annotated[float, Field(gt=0, lt=1), Float(0.1, 0.9), FromTrials(10)] = 0.5
    rate: PositiveFloat | Literal["own", "swats"] = "own"

    @model_validator(mode="after")
    def _can_be_projected(self) -> Self:
        if self.rate == "swats":
            for rule in self.second.rules():
                if not isinstance(rule, SGD | Momentum | Nesterov):
                    raise PluginError(
                        'Switch: rate="swats" finds the learning rate of SGD, Momentum or Nesterov, and second is '
                        f'{type(rule).__name__}; choose one of these, or rate="own"'
                    )
            if self.second.changes(1000):
                raise PluginError(
                    'Switch: rate="swats" finds one learning rate, and second hands over to another optimizer itself; '
                    'give it an optimizer that does not, or choose rate="own"'
                )
        return self

    @property
    def rule(self) -> Rule:
        """That of the first one."""
        return self.first.rule

    def rules(self) -> tuple[Rule, ...]:
        """Return those of both."""
        return (*self.first.rules(), *self.second.rules())

    def map_rules(self, change: Callable[[Rule], Optimizer]) -> Optimizer:
        """Return the same sequence with the rules of both changed."""
        parts = {"first": self.first.map_rules(change), "second": self.second.map_rules(change)}
        return self.model_copy(update=parts)

    def changes(self, total: int) -> tuple[int, ...]:
        """Return the hand-over, and those inside both parts."""
        point = self._point(total)
        before = (step for step in self.first.changes(total) if step < point)
        after = (step for step in self.second.changes(total) if step > point)
        return (*before, point, *after)

    def at_step(self, step: int, total: int) -> Optimizer:
        """Return the first one up to the point, the second one from there on."""
        if step >= self._point(total):
            return self._second().at_step(step, total)
        first = self.first.at_step(step, total)
        beta = getattr(self.first.rule, "beta2", 0.999)
        if self.rate != "swats":
            return first
        return first.map_rules(lambda rule: ProjectedRate(inner=rule, beta=beta))

    def _second(self) -> Optimizer:
        if not isinstance(self.rate, float):
            return self.second
        lr = self.rate * self.first.rule.lr
        return self.second.map_rules(lambda rule: rule.model_copy(update={"lr": lr}))

    def _point(self, total: int) -> int:
        return math.ceil(self.at * total * (1 - 1e-12))
