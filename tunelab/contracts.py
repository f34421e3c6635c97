"""What a plugin, a backend, a tracker and an executor must be. A plugin's author needs this page and no other.

Letters for axes: `P` member, `S` step, `B` batch row, `n` parameter. Hyperparameters are fields: each has its bounds
(`Field`), its default and, where it is worth searching, its range; `FromTrials` beside the range says from how many
trials on. A field whose value is a float may differ between the members of a population; any other field (a width, a
flag) is shared by the members that train together. A field may hold a plugin: its float fields may differ too, and the
rest of it is shared.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tunelab.errors import PluginError, SpaceError, suggestion
from tunelab.space import Choice, Float, FromTrials, Int, Range

if TYPE_CHECKING:
    from tunelab.trial import Mirror, Orders, Progress, Report, State, StudyRecord, Summary, Trial

Array = Any
"""A NumPy array or a torch tensor."""

Hyper = SimpleNamespace
"""A plugin's float fields, one attribute each: float64 arrays `(P, 1)`; an optimizer's `lr` is scheduled, `(S, P, 1)`.

A field that holds a plugin is a `Hyper` of its own: `hyper.first.gamma`.
"""

Targets = Literal["classes", "values", "none"]
"""What a data set asks to predict: class labels, real values, or nothing (a function is minimised)."""


_LENIENT = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


class Plugin(BaseModel):
    """A frozen record of hyperparameters; optimizers, schedules, models and data sets are plugins.

    Raises:
        PluginError: an unknown field, or a value outside its bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def __init__(self, **fields: Any) -> None:
        unknown = [name for name in fields if name not in type(self).model_fields]
        if unknown:
            raise PluginError(f"{type(self).__name__} has no field {unknown[0]!r}; {self._known(unknown[0])}")
        ranges = [
            name
            for name, value in fields.items()
            if isinstance(value, Range | Search) or (type(self)._holds_plugin(name) and _names_plugins(value))
        ]
        if ranges:
            raise PluginError(
                f"{type(self).__name__}({ranges[0]}={fields[ranges[0]]!r}) is a fixed instance and takes values only; "
                f"write {type(self).__name__}.search({ranges[0]}=...) to search it"
            )
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise PluginError(f"{type(self).__name__}: {_first(error)}") from None

    @classmethod
    def search(cls, **fields: "Value | Range | Plugin | type[Plugin] | Search") -> "Search":
        """Return this plugin with every field open that has a range of its own, but for the fields given here.

        A range given here is always searched; those of its own that a study has too few trials for (`from_trials`)
        stay at their defaults.

        Args:
            fields: a value fixes a field, a range searches it.

        Raises:
            PluginError: an unknown field, or a value or an end of a range outside the field's bounds.
        """
        own = cls.ranges()
        return Search(cls, own | fields, frozenset(own.keys() - fields.keys()))

    @classmethod
    def ranges(cls) -> "dict[str, Range | Search]":
        """Return the fields that have a range of their own, or a plugin to search, with it."""
        found = {}
        for name, info in cls.model_fields.items():
            own = [extra for extra in info.metadata if isinstance(extra, Range | Search)]
            if own:
                found[name] = own[0]
        return found

    @classmethod
    def from_trials(cls) -> dict[str, int]:
        """Return the fields whose own range is searched from so many trials on; the others' always is."""
        marks = ((name, mark) for name, info in cls.model_fields.items() for mark in info.metadata)
        return {name: mark.trials for name, mark in marks if isinstance(mark, FromTrials)}

    @classmethod
    def check(cls, name: str, value: Any) -> Any:
        """Return `value` as the field `name` holds it; a range, if all of it may stand there.

        Raises:
            PluginError: an unknown field, or a value outside its bounds.
        """
        info = cls.model_fields.get(name)
        if info is None:
            raise PluginError(f"{cls.__name__} has no field {name!r}; {cls._known(name)}")
        if cls._holds_plugin(name) and _names_plugins(value):
            return value
        try:
            return _taken(value, cls.adapter(name))
        except ValidationError as error:
            given = f"={value!r}" if isinstance(value, Range) else ""
            raise PluginError(f"{cls.__name__}: {name}{given}: {_first(error)}") from None

    @classmethod
    @cache
    def adapter(cls, name: str) -> "TypeAdapter[Any]":
        """Return what validates and serialises one field alone."""
        info = cls.model_fields[name]
        field: Any = Annotated[info.annotation, Field(), *info.metadata]
        has_its_own = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        return TypeAdapter(field, config=None if has_its_own else _LENIENT)

    @classmethod
    def _holds_plugin(cls, name: str) -> bool:
        annotation = cls.model_fields[name].annotation
        return isinstance(annotation, type) and issubclass(annotation, Plugin)

    @classmethod
    def _known(cls, name: str) -> str:
        return suggestion(name, cls.model_fields)

    __str__ = BaseModel.__repr__

    def numbers(self) -> dict[str, float]:
        """Return the float fields, which may differ between the members of one population."""
        return {name: value for name, value in self if isinstance(value, float)}

    def parts(self) -> dict[str, "Plugin"]:
        """Return the fields that hold a plugin, which has numbers of its own."""
        return {name: value for name, value in self if isinstance(value, Plugin)}

    def structure(self) -> tuple[Any, ...]:
        """Return the class and the fields that the members of one population share; all of it must be hashable."""
        shared = self.parts().keys() | self.numbers().keys()
        parts = ((name, part.structure()) for name, part in self.parts().items())
        return (type(self), *parts, *((name, value) for name, value in self if name not in shared))


Value = str | int | float | bool | None


@dataclass(frozen=True)
class Search:
    """A plugin whose fields are fixed or searched: what `Plugin.search` returns.

    Attributes:
        plugin: the class.
        fields: a value, a range, a plugin or another search for every field that is not left at its default.
        own: the fields whose range is the plugin's own, which nobody asked for by name.
    """

    plugin: type[Plugin]
    fields: Mapping[str, Any] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checked = {name: self.plugin.check(name, value) for name, value in self.fields.items()}
        object.__setattr__(self, "fields", checked)

    def __repr__(self) -> str:
        return f"{self.plugin.__name__}.search({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"


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
    """

    slots: ClassVar[tuple[str, ...]] = ()
    copies: ClassVar[tuple[str, ...]] = ()
    averages: ClassVar[bool] = False
    second_gradient: ClassVar[bool] = False

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

        `theta` and `scratch`, which is of no particular content, are `(P, n)`; `slots` must stay as they are.
        """


class Step(ABC):
    """What an optimizer may ask for within a step (`Optimizer.around`)."""

    @abstractmethod
    def inner(self) -> None:
        """Take the step that is wrapped: `around` of the next level, and at last the rule's `update`."""

    @abstractmethod
    def gradient(self) -> None:
        """Replace the gradient by that at the present parameters, for the same rows and the same dropout noise."""

    @abstractmethod
    def normal(self, out: Array) -> None:
        """Fill `(P, n)` with standard normal numbers, each member's from its own stream for this step."""


class Rule(Optimizer):
    """How one step changes the parameters.

    Every rule has a field `lr`. It is written once for NumPy and torch: `xp` is the array namespace, and both know
    `xp.multiply(a, b, out=c)`, `add`, `subtract`, `divide`, `sqrt`, `square` and `sign`.

    Attributes:
        sees: what one call of `update` is given: `"elements"`, any part of the flat vector, which is fastest;
            `"tensors"`, one tensor `(P, *shape)` at a time; or `"whole"`, the flat vector of every member `(P, n)`.
        scheduled: the fields that warm-up and schedule multiply; a rule with two learning rates names both.
        full_batch: every step sees the whole training part, whatever the experiment's batch size.
        sums: slots that hold a discounted sum: x <- decay * x + g, or + g^2; by name, which of the two, and the field
            that is the decay. A rule that takes over from another goes on with its sums if they are all it needs.
    """

    lr: float
    sees: ClassVar[Literal["elements", "tensors", "whole"]] = "elements"
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

    @abstractmethod
    def update(self, xp: Any, theta: Array, grad: Array, slots: Mapping[str, Array], k: Hyper, scratch: Array) -> None:
        """Take one step in place.

        Args:
            xp: the array namespace.
            theta: parameters `(P, n)`, changed in place.
            grad: gradients `(P, n)`; may be overwritten.
            slots: the rule's own arrays `(P, n)`, changed in place.
            k: this step's `scalars`, one attribute each, in the dtype of theta: `(P, 1)`, with as many ones as theta
                has axes behind the first.
            scratch: `(P, n)`, of no particular content; may be overwritten.
        """


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


class Schedule(Plugin):
    """How the learning rate moves: a pure function of step and total, and of what the schedule remembers.

    Few remember anything. One that follows a metric begins with `memory()`, and `observe` renews it at each epoch's
    end; every member has its own.
    """

    def memory(self) -> dict[str, float]:
        """Return the numbers that the schedule keeps from epoch to epoch, as they are before the first."""
        return {}

    def observe(self, memory: Mapping[str, float], metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return the memory after an epoch that one member ended with these metrics; a pure function.

        Args:
            memory: what the member's schedule remembers.
            metrics: `train_loss`, `val_loss`, ..., or `loss` for a function.
        """
        return memory

    @abstractmethod
    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return what the learning rate is multiplied by.

        Args:
            hyper: the float fields of all members and what they remember, by name, `(P, 1)`.
            step: steps taken before this one, `(S, P, 1)`: 0, 1, ..., total - 1.
            total: all steps of each member's training, `(P, 1)`.

        Returns:
            float64, broadcasts to `(S, P, 1)`.
        """


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tensor of a layer.

    Attributes:
        name: unique in its layer.
        shape: without the member axis.
        bound: initial values are uniform in [-bound, bound].
        center: or, with a bound of zero, this constant (a number, or values of that shape).
    """

    name: str
    shape: tuple[int, ...]
    bound: float = 0.0
    center: float | tuple[float, ...] = 0.0


class Layer(ABC):
    """A step of a network: a frozen record with a hand-written backward, for all members at once.

    `xp` is the array namespace; layers rely on what NumPy 2 and torch spell alike, with `out=`, `axis=` and `dtype=`.

    Layers that compare equal may share a population. A field that may differ between members says `compare=False`
    and is read through `tape.rates`.

    Attributes:
        shares_rows: as the first layer, it takes rows that all members share as `(1, B, ...)`, without a copy for each.
    """

    shares_rows: ClassVar[bool] = False

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the layer's tensors, in the order in which they lie in memory."""
        return ()

    def rate(self) -> float:
        """Return the number that may differ between members (a dropout rate), if there is one."""
        return 0.0

    @abstractmethod
    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: "Tape") -> Array:
        """Return the outputs `(P, B, ...)` for inputs `(P, B, ...)`, and leave on the tape what backward needs.

        `x` must stay as it is: the layer below may need it.
        """

    @abstractmethod
    def backward(
        self,
        xp: Any,
        dy: Array,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        tape: "Tape",
        wanted: bool,
    ) -> Array:
        """Write the gradients of the parameters into `grads`; return that of the inputs if it is `wanted`, else None.

        `dy` may be overwritten.
        """


class Tape(ABC):
    """What one layer, or the loss, remembers from forward to backward; its arrays are reused from step to step."""

    training: bool
    saved: tuple[Array, ...]

    @abstractmethod
    def empty(self, name: str, shape: Sequence[int]) -> Array:
        """Return an array of no particular content, the same one each time for a name and shape."""

    @abstractmethod
    def uniform(self, name: str, shape: Sequence[int]) -> Array:
        """Return fresh numbers in [0, 1) from each member's own stream."""

    @property
    @abstractmethod
    def rates(self) -> Array:
        """The layer's `rate` for each member, `(P, 1, 1)`."""


class Loss(ABC):
    """What training lowers: a frozen record, for all members at once."""

    targets: ClassVar[Targets]
    metrics: ClassVar[tuple[str, ...]] = ("loss",)

    @abstractmethod
    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the losses `(P, B)` and their gradients with respect to `out` `(P, B, ...)`, which stays as it is."""

    @abstractmethod
    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return each of `metrics` as a sum over rows, `(P,)`; the caller divides by the rows."""


class Model(Plugin):
    """What is trained."""

    @abstractmethod
    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the network for rows of `inputs` numbers and `outputs` classes or values."""

    def loss(self, targets: Targets) -> Loss | None:
        """Return the loss that belongs to the model, if it brings one (a function to minimise does)."""
        return None


@dataclass(frozen=True, eq=False)
class Table:
    """A data set in memory: rows of features and what to predict of each.

    Attributes:
        x: features `(rows, features)`, float.
        y: class indices `(rows,)`, integer, or values `(rows, outputs)`, float.
        targets: which of the two.
        classes: the labels that the indices stand for.
        source: where the rows came from.
    """

    x: np.ndarray
    y: np.ndarray
    targets: Targets
    classes: tuple[str, ...] = ()
    source: str = ""

    @property
    def outputs(self) -> int:
        """Classes, or values a row."""
        return len(self.classes) if self.targets == "classes" else int(self.y.shape[1])


class Dataset(Plugin):
    """Where the rows come from.

    Attributes:
        scale: how features are scaled unless the experiment says otherwise.
    """

    scale: ClassVar[Literal["standard", "minmax", "none"]] = "standard"

    @abstractmethod
    def load(self) -> Table:
        """Return all rows, unsplit and unscaled.

        Raises:
            DataError: a source that is missing, empty, ragged or not finite.
        """


class Backend(ABC):
    """What computes. Arrays of a backend never leave it but through `to_numpy`."""

    name: ClassVar[str]
    xp: Any

    @abstractmethod
    def asarray(self, values: np.ndarray) -> Array:
        """Return the values as an array of this backend: floats in its dtype, integers as they are."""

    @abstractmethod
    def zeros(self, shape: Sequence[int]) -> Array:
        """Return zeros."""

    @abstractmethod
    def empty(self, shape: Sequence[int]) -> Array:
        """Return an array of no particular content."""

    @abstractmethod
    def copy(self, values: Array) -> Array:
        """Return a copy."""

    @abstractmethod
    def take(self, rows: Array, index: np.ndarray, out: Array) -> Array:
        """Return the rows `(N, ...)` at `index` `(P, B)`, in `out` `(P, B, ...)`."""

    @abstractmethod
    def fill_uniform(self, out: Array, generator: np.random.Generator) -> None:
        """Fill an array with numbers in [0, 1), the generator's own sequence."""

    @abstractmethod
    def to_numpy(self, values: Array) -> np.ndarray:
        """Return a copy outside the backend."""


class Tracker(ABC):
    """Mirrors a study outside. It is never read to decide. Times are Unix seconds."""

    @abstractmethod
    def begin(self, study: "StudyRecord", at: float) -> None:
        """Open the mirror; raise `StoreError` where it cannot be reached."""

    @abstractmethod
    def start(self, trial: "Trial", at: float) -> None:
        """Say that a trial trains."""

    @abstractmethod
    def report(self, report: "Report", at: float) -> None:
        """Pass on one epoch of one trial."""

    @abstractmethod
    def end(self, trial: int, state: "State", value: float | None, reason: str | None, at: float) -> None:
        """Say how a trial ended."""

    @abstractmethod
    def finish(self, summary: "Summary", at: float) -> "Mirror":
        """End the study, wait until all of it is shown, and say where."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything, quickly, finished or not."""


class Executor(ABC):
    """Where populations train. Orders and progress go in lockstep: progress r answers orders r.

    A caller may send orders ahead of the progress that it has received; a worker then never waits for the caller.
    """

    @abstractmethod
    def send(self, orders: "Orders") -> None:
        """Queue the orders of the next round."""

    @abstractmethod
    def receive(self) -> "Progress":
        """Return the progress of the oldest round not received yet.

        Raises:
            WorkerError: the worker is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop training at once and let go of everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


INSIDE = 0.3819
"""How far into a range of real numbers a third sample lies: where no whole number is, unless by intent."""


def _names_plugins(value: Any) -> bool:
    """Return whether plugins are named, or given as classes: an experiment opens them (`encoding.node_of`)."""
    options = value.options if isinstance(value, Choice) else (value,)
    return any(isinstance(option, str | type) for option in options)


def _taken(value: Any, adapter: "TypeAdapter[Any]") -> Any:
    """Return the value as the field takes it; searches, and ranges whose samples pass, as they are."""
    if isinstance(value, Choice):
        return Choice(*(_label(_taken(option, adapter)) for option in value.options))
    if isinstance(value, Float | Int):
        between = (value.at(INSIDE),) if isinstance(value, Float) else ()
        for sample in (value.low, value.high, *between):
            adapter.validate_python(sample)
        return value
    if isinstance(value, Search):
        adapter.validate_python(value.plugin.model_construct())  # is there room for a plugin of this class?
        return value
    return adapter.validate_python(value)


def _label(option: Any) -> Any:
    if not isinstance(option, Value | Plugin | Search):
        raise SpaceError(f"a Choice takes text, numbers, True, False, None and plugins; one option was {option!r}")
    return option


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {message}, was {first['input']!r}" if where else f"{message}, was {first['input']!r}"
