"""`experiment` makes an experiment of a person's own training loop: a generator that yields its metrics."""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from textwrap import dedent
from typing import Any, ClassVar, Self

from pydantic import (
    Field,
    NegativeFloat,
    NonNegativeFloat,
    NonPositiveFloat,
    PositiveFloat,
    field_serializer,
    field_validator,
    model_validator,
)

from tunelab.contracts import Plugin, Value, found_at
from tunelab.drawing import Node, Suggest, draw
from tunelab.encoding import encode, free_node_of
from tunelab.errors import ExperimentError, setting
from tunelab.searchable import Searchable, json_fields
from tunelab.space import Float, Int
from tunelab.trial import COLUMNS, OBJECTIVE, Trial

LoopFunction = Callable[[Trial], Iterator[Mapping[str, Any]]]
"""A generator function: it takes the trial, and yields its metrics after every epoch, or whatever it calls one."""


def experiment(
    *misplaced: Any, name: Any = None, minimize: Any = None, maximize: Any = None, **parameters: Any
) -> Callable[[LoopFunction], "Loop"]:
    """Make an experiment of a training loop: a generator function that yields its metrics report by report.

    The loop finds its hyperparameters in `trial.params`, a seed in `trial.seed`, and may save and restore what it
    likes with `trial.checkpoint`. Each `yield` is a report: a mapping of names to numbers, the objective among them.
    To prune a trial, the generator is closed: its `finally` runs. The last report's objective is the trial's value.

    Args:
        name: the experiment's; by default the function's.
        minimize: the metric to lower; either this or `maximize`.
        maximize: the metric to raise.
        parameters: a `Float`, `Int` or `Choice` is searched; a number, text, True, False or None is fixed. A plugin
            brings its own ranges: `optimizer=Choice(SGD, Adam)` gives `optimizer`, `optimizer.lr`, ...

    Raises:
        ExperimentError: no objective, a function without `yield`, or a parameter that cannot be searched or fixed.

    >>> from tunelab import Float, experiment
    >>> from tunelab.tracking import MemoryTracker
    >>> @experiment(lr=Float(0.01, 1.0, log=True), minimize="loss")
    ... def descent(trial):
    ...     theta = 3.0
    ...     for _ in range(10):
    ...         theta -= trial.params["lr"] * 2 * theta
    ...         yield {"loss": theta**2}
    >>> study = descent.run(trials=5, executor="inline", tracker=MemoryTracker(), folder=getfixture("tmp_path"))
    >>> len(study.best.curves["loss"].values)
    10
    """
    if misplaced:
        raise ExperimentError(
            "@experiment takes keyword arguments, in parentheses: @experiment(lr=Float(...), minimize='val_loss')"
        )

    def made(function: LoopFunction) -> Loop:
        _check_function(function)
        words = {"name": name, "minimize": minimize, "maximize": maximize}
        for word, given in words.items():
            if not isinstance(given, str | None):
                raise ExperimentError(
                    f"@experiment: {word} is reserved and takes text, was {given!r}; give the parameter another name"
                )
        words["name"] = name or function.__name__.strip("_")
        return Loop(**words, function=function, parameters=parameters)

    return made


class Side(Plugin):
    """On which side of zero a number stays when its range is widened: a loop's parameters have no bounds of their own.

    A range of positive numbers is that of a rate, a width or a decay, which makes no sense below zero.
    """

    positive: PositiveFloat = 1.0
    not_negative: NonNegativeFloat = 0.0
    negative: NegativeFloat = -1.0
    not_positive: NonPositiveFloat = 0.0
    either: float = 0.0


class Loop(Searchable):
    """A training loop of a person's own, and what may vary: what the decorator `experiment` makes of a function.

    Called, it is the function: `next(my_loop(Trial(0, 0, {"lr": 0.1})))` is its first report.

    Args:
        name: groups studies that are compared with each other.
        maximize, minimize: the metric to raise or to lower; one of the two.
        function: the generator function; in JSON its name, as `module:name`.
        source: SHA-256 of the function's text, so that a changed loop is another experiment; None where there is no
            text (a function made by `exec`). What the function calls has no part in it.
        parameters: what may vary, and what is fixed, by name.

    Raises:
        ExperimentError: a function that is no generator function, or a parameter that cannot be searched or fixed.
    """

    spelling: ClassVar[str] = "@experiment"

    function: Any
    source: str | None = Field(default_factory=lambda data: _source_hash(data["function"]))
    parameters: Any

    @field_validator("function", mode="before")
    @classmethod
    def _function(cls, given: Any) -> LoopFunction:
        _check_function(given)
        return given  # type: ignore[no-any-return]

    @field_validator("parameters", mode="before")
    @classmethod
    def _parameters(cls, given: Any) -> dict[str, Node]:
        return {name: _parameter(name, value) for name, value in sorted(given.items())}  # as they come back from JSON

    @model_validator(mode="after")
    def _with_objective(self) -> Self:
        if not (self.maximize or self.minimize):
            raise ExperimentError(f"{self.spelling}: {_which_objective(self.parameters)}")
        if self.objective == OBJECTIVE:
            raise ExperimentError(
                f"{self.spelling}: MLflow calls every trial's value {OBJECTIVE!r}; give the metric another name"
            )
        return self

    @field_serializer("function")
    def _name(self, function: LoopFunction) -> str:
        return f"{function.__module__}:{function.__qualname__}"

    @field_serializer("parameters")
    def _encoded(self, parameters: Mapping[str, Node]) -> dict[str, Any]:
        return {name: encode(node) for name, node in parameters.items()}

    def __call__(self, trial: Trial) -> Iterator[Mapping[str, Any]]:
        """Return the trial's generator."""
        reports: Iterator[Mapping[str, Any]] = self.function(trial)
        return reports

    @property
    def objective(self) -> str:
        """The metric that is optimised."""
        return self.maximize or self.minimize or ""

    @property
    def nodes(self) -> dict[str, Node]:
        """What may vary, and what is fixed, by name."""
        return dict(self.parameters)

    def bounds_of(self, field: str) -> tuple[type[Plugin], str]:
        """Return on which side of zero a parameter's range lies."""
        return Side, _side(self.parameters[field])

    def with_nodes(self, nodes: Mapping[str, Node]) -> Self:
        """Return the same with others of the nodes in their places."""
        return type(self)(**dict(self) | {"parameters": nodes})

    def on(self, backend: str) -> Self:
        """Raise `ExperimentError`: what computes is the loop's own affair."""
        raise ExperimentError(
            f"{setting('backend', backend)}: {self.name} is a loop of its own, which says itself what computes; leave "
            "it out"
        )

    def restored(self, text: str) -> Self:
        """Return what `to_json` wrote of an earlier form of this, with the function of this one."""
        return type(self).from_json(text, function=self.function)

    @classmethod
    def from_json(cls, text: str, *, function: LoopFunction | None = None) -> Self:
        """Return the loop that `to_json` wrote.

        Args:
            text: the JSON.
            function: what to run, whatever was recorded; by default it is imported by its name.

        Raises:
            ExperimentError: text that is no loop; or a function that cannot be imported, or has changed since.
        """
        fields = json_fields(text)
        recorded, name = fields.pop("source", None), fields.pop("function", None)
        if not isinstance(name, str):
            raise ExperimentError("no loop in JSON: it names no function")
        loop = cls(**fields, function=_imported(name) if function is None else function)
        if function is None and loop.source != recorded:
            raise ExperimentError(
                f"{name} is another function than it was when this was written; "
                "to run it all the same, give it: Loop.from_json(text, function=...)"
            )
        return loop

    def draw(self, suggest: Suggest) -> dict[str, Value]:
        """Return flat hyperparameters, every choice made by `suggest`."""
        return {name: value for field, node in self.nodes.items() for name, value in draw(node, suggest, field, field)}


def _check_function(function: Any) -> None:
    name = getattr(function, "__name__", None)
    if not callable(function) or name is None or not hasattr(function, "__qualname__"):
        raise ExperimentError(f"@experiment stands before a function made with def, was {function!r}")
    if not inspect.isgeneratorfunction(inspect.unwrap(function)):
        raise ExperimentError(
            f"@experiment: {name} has no yield, so it would report nothing; "
            f"write: yield {{'val_loss': ...}} after every epoch, in place of a return at the end"
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise ExperimentError(
            f"@experiment: {name}{inspect.signature(function)} must take one argument, the trial; "
            "hyperparameters are in trial.params"
        ) from None


def _which_objective(parameters: Mapping[str, Any]) -> str:
    near = [word for word in parameters if get_close_matches(word, ("minimize", "maximize"))]
    hint = f" ({near[0]} was taken for a parameter)" if near else ""
    return f"say which of the metrics that the loop yields is optimised, as in minimize='val_loss'{hint}"


def _parameter(name: str, given: Any) -> Node:
    if name in COLUMNS:
        own = "; each trial has a seed of its own, trial.seed" if name == "seed" else ""
        raise ExperimentError(f"@experiment: {name} is reserved{own}; give the parameter another name")
    if not name.isidentifier():
        raise ExperimentError(f"@experiment: a parameter needs a Python name, was {name!r}")
    try:
        return free_node_of(given)
    except ExperimentError as error:
        raise ExperimentError(f"@experiment: {name}: {error}") from None


def _side(node: Node) -> str:
    if not isinstance(node, Float | Int) or node.low < 0 < node.high:
        return "either"
    if node.low >= 0:
        return "positive" if node.low else "not_negative"
    return "negative" if node.high else "not_positive"


def _imported(name: str) -> LoopFunction:
    try:
        found = found_at(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ExperimentError(
            f"the function {name} cannot be imported here ({error}); give it: Loop.from_json(text, function=...)"
        ) from error
    return found.function if isinstance(found, Loop) else found  # type: ignore[no-any-return]


def _source_hash(function: LoopFunction) -> str | None:
    """Return SHA-256 of a function's text from its `def` on: what the decorator says is told apart by itself."""
    try:
        text = dedent(inspect.getsource(inspect.unwrap(function)))
        first = ast.parse(text).body[0].lineno
    except (OSError, TypeError, SyntaxError):
        return None
    body = "".join(text.splitlines(keepends=True)[first - 1 :])
    return hashlib.sha256(body.encode()).hexdigest()
