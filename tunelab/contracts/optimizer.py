"""An optimizer: a rule, a wrapper around one, or a sequence of these."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tunelab.contracts.arrays import Array, Hyper
from tunelab.contracts.plugin import Plugin

Sums = Mapping[str, tuple[Literal["gradient", "square"], str]]
"""Slots that are discounted sums: of what, and the field that is the decay (`Rule.sums`)."""


class Optimizer(Plugin):
    """What stands in an experiment's field `optimizer`: a `Rule`, a `Wrapper` around one, or a sequence of these.

    Attributes:
        slots: names of the arrays, shaped like the parameters and zero at first, that it keeps between steps; at a
            member's epoch ends the engine sets to zero what is too small to matter (see `training/rules.py`).
        copies: those of the slots that begin as a copy of the parameters.
        averages: it is evaluated and saved at other parameters than those that it trains at (`average`).
        second_gradient: it asks for the gradient more than once a step (`Step.gradient`).
        backends: those that it trains on.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    copies: ClassVar[tuple[str, ...]] = ()
    averages: ClassVar[bool] = False
    second_gradient: ClassVar[bool] = False
    backends: ClassVar[tuple[str, ...]] = ("numpy", "torch")

    @property
    @abstractmethod
    def rule(self) -> "Rule":
        """The rule that changes the parameters at first: itself, or what it wraps."""

    @abstractmethod
    def map_rules(self, change: "Callable[[Rule], Optimizer]") -> "Optimizer":
        """Return the same optimizer with each of its rules changed."""

    def rules(self) -> "tuple[Rule, ...]":
        """Return every rule that has its turn in a training."""
        return (self.rule,)

    def levels(self) -> "tuple[Optimizer, ...]":
        """Return the optimizer, what it wraps, what that wraps, ..., the rule."""
        return (self,)

    def changes(self, total: int) -> tuple[int, ...]:
        """Return the numbers of steps after which another optimizer takes over (`at_step`), of `total` steps in all."""
        return ()

    def at_step(self, step: int, total: int) -> "Optimizer":
        """Return the optimizer in force after so many steps of `total`, in which nothing hands over any more."""
        return self

    def bequeath(self, heir: "Optimizer", slots: Mapping[str, np.ndarray]) -> "Optimizer":
        """Return the optimizer that takes over, with what it learns from the slots of this one, `(n,)` by name.

        Those of what a wrapper wraps have `inner.` before their names.
        """
        return heir

    def slot_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each slot for a tensor of this shape; by default the same."""
        return dict.fromkeys(self.slots, shape)

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return what the update needs beside arrays: one number a member and step, computed in float64.

        Args:
            hyper: the float fields of all members, `(P, 1)`; a rule's `lr` (and what else is `scheduled`) is
                `(S, P, 1)`. `hyper.total` are the steps of the whole training, `(P, 1)`. A wrapper also has its rule's
                `hyper.lr`, and `hyper.factor`, what warm-up and schedule multiply it by, `(S, P, 1)`.
            step: steps taken by each member, this one included, `(S, P, 1)`: t = 1, 2, ... Both are NumPy arrays.

        Returns:
            arrays that broadcast to `(S, P, 1)`; by default, the float fields themselves.
        """
        return {name: getattr(hyper, name) for name in self.numbers()}

    def around(
        self, step: "Step", xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array
    ) -> None:
        """Take one step, in place: what a wrapper does before and after the step that it wraps.

        By default, that step alone. A rule may need it too: to ask for a second gradient. Arguments are as in
        `Rule.update`, always the flat vectors of every member `(P, n)`; `k` are the level's own scalars, `(P, 1)`.
        """
        step.inner()

    def average(self, xp: Any, theta: Array, slots: Mapping[str, Array], scratch: Array) -> None:
        """Replace the parameters trained at by those to evaluate, in place; only called if it `averages`.

        `theta` and `scratch`, which is of no particular content, are `(P, n)`; `slots` must stay as they are. A rule
        that sees members is given one of them, as in `Rule.update`.
        """


class Step(ABC):
    """What an optimizer may ask for within a step (`Optimizer.around`)."""

    @abstractmethod
    def inner(self) -> None:
        """Take the step that is wrapped: `around` of the next level, and at last the rule's `update`."""

    @abstractmethod
    def gradient(self) -> None:
        """Replace the gradient by that at the present parameters, for the same rows and the same dropout noise.

        What a network keeps beside parameters (the running mean of a batch norm) is renewed by the first alone.
        """

    @abstractmethod
    def normal(self, out: Array) -> None:
        """Fill `(P, n)` with standard normal numbers, each member's from its own stream for this step."""


class Rule(Optimizer):
    """How one step changes the parameters.

    Every rule has a field `lr`. It is written once for NumPy and torch: `xp` is the array namespace, and both know
    `xp.multiply(a, b, out=c)`, `add`, `subtract`, `divide`, `sqrt`, `square` and `sign`.

    Attributes:
        sees: what one call of `update` is given: `"elements"`, any part of the flat vector, which is fastest;
            `"tensors"`, one tensor `(P, *shape)` at a time; `"whole"`, the flat vector of every member `(P, n)`; or
            `"members"`, the tensors `(*shape)` of one member, for which it keeps an object of its own (`begin`).
        scheduled: the fields that warm-up and schedule multiply; a rule with two learning rates names both.
        full_batch: every step sees the whole training part, whatever the experiment's batch size.
        sums: slots that hold a discounted sum: x <- decay * x + g, or + g^2; by name, which of the two, and the field
            that is the decay. A rule that takes over from another goes on with its sums if they are all it needs.
    """

    lr: float
    sees: ClassVar[Literal["elements", "tensors", "whole", "members"]] = "elements"
    scheduled: ClassVar[tuple[str, ...]] = ("lr",)
    full_batch: ClassVar[bool] = False
    sums: ClassVar[Sums] = {}

    @property
    def rule(self) -> "Rule":
        """Itself."""
        return self

    def map_rules(self, change: "Callable[[Rule], Optimizer]") -> Optimizer:
        """Return what it is changed into."""
        return change(self)

    def begin(self, theta: Sequence[Array], seed: int) -> "Own | None":
        """Return what it keeps for one member; None unless it sees members.

        Args:
            theta: the member's tensors before its first step, `(*shape)` each.
            seed: the member's own, for what is drawn at random.
        """
        return None

    @abstractmethod
    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place.

        A rule that sees members is given one of them: its tensors as a tuple for `theta` and for `grad`, its `Own` as
        the only slot, `own`, and numbers of Python for `k`.

        Args:
            xp: the array namespace.
            theta: parameters `(P, n)`, changed in place.
            grad: gradients `(P, n)`; may be overwritten.
            slots: the rule's own arrays `(P, n)`, changed in place.
            k: this step's `scalars`, one attribute each, in the dtype of theta: `(P, 1)`, with as many ones as theta
                has axes behind the first.
            scratch: `(P, n)`, of no particular content; may be overwritten.
        """


class Own(ABC):
    """What a rule that sees members keeps for one of them. It pickles with all its state, but without the tensors."""

    @abstractmethod
    def bind(self, theta: Sequence[Array], grad: Sequence[Array]) -> None:
        """Step these tensors from now on, `(*shape)` each: they hold what the last ones held, at another place."""


class Wrapper(Optimizer):
    """Something done around the steps of another optimizer: define `around`.

    Attributes:
        inner: what is wrapped.
    """

    inner: Optimizer

    @property
    def rule(self) -> Rule:
        """The rule at the heart."""
        return self.inner.rule

    def map_rules(self, change: "Callable[[Rule], Optimizer]") -> Optimizer:
        """Return the wrapper around the changed inner optimizer."""
        return self._around(self.inner.map_rules(change))

    def rules(self) -> tuple[Rule, ...]:
        """Return those of what it wraps."""
        return self.inner.rules()

    def levels(self) -> tuple[Optimizer, ...]:
        """Return the wrapper and the levels of what it wraps."""
        return (self, *self.inner.levels())

    def changes(self, total: int) -> tuple[int, ...]:
        """Return those of what it wraps."""
        return self.inner.changes(total)

    def at_step(self, step: int, total: int) -> Optimizer:
        """Return the wrapper around what is in force."""
        return self._around(self.inner.at_step(step, total))

    def bequeath(self, heir: Optimizer, slots: Mapping[str, np.ndarray]) -> Optimizer:
        """Let what it wraps bequeath to the heir, or to what the same wrapper wraps from now on."""
        own = {name.removeprefix("inner."): v for name, v in slots.items() if name.startswith("inner.")}
        if not isinstance(heir, type(self)):
            return self.inner.bequeath(heir, own)
        return heir._around(self.inner.bequeath(heir.inner, own))

    def _around(self, inner: Optimizer) -> Optimizer:
        return self.model_copy(update={"inner": inner})
