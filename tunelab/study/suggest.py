"""Who decides a trial's hyperparameters: Optuna's sampler, the plugins' own defaults, or a grid."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna

from tunelab.contracts import Plugin, Search, Value
from tunelab.drawing import alternatives
from tunelab.searchable import Searchable
from tunelab.space import Choice, Float, Int

GRID_POINTS = 5
"""Points that a grid lays on a range of real numbers."""


def optuna_name(name: str, within: Float | Int) -> str:
    """Return what Optuna calls a parameter: a momentum is sampled as 1 - momentum, and its name says so."""
    if isinstance(within, Float) and within.complement_log:
        path, _, field = name.rpartition(".")
        return f"{path}.one_minus_{field}" if path else f"one_minus_{field}"
    return name


def ends(within: Float) -> tuple[float, float]:
    """Return the lower and upper end as Optuna holds them.

    >>> ends(Float(0.5, 0.75, complement_log=True))
    (0.25, 0.5)
    """
    return (1 - within.high, 1 - within.low) if within.complement_log else (within.low, within.high)


def to_optuna(value: float, within: Float | Int) -> float:
    """Return the value as Optuna holds it."""
    return 1 - value if isinstance(within, Float) and within.complement_log else value


def from_optuna(value: float, within: Float | Int) -> float:
    """Return the value as a plugin takes it."""
    return within.clip(1 - value) if isinstance(within, Float) and within.complement_log else value


class OptunaSuggest:
    """Optuna's sampler decides.

    Args:
        trial: the trial that was asked for.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        """Return what the sampler suggests."""
        if isinstance(within, Int):
            return self._trial.suggest_int(name, within.low, within.grid()[-1], step=within.step, log=within.log)
        log = within.log or within.complement_log
        return from_optuna(self._trial.suggest_float(optuna_name(name, within), *ends(within), log=log), within)

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        """Return what the sampler suggests."""
        return self._trial.suggest_categorical(name, labels)


class FixedSuggest:
    """What is named here; else each field's own default, or the first option. Keeps what Optuna would be told.

    Args:
        options: labels by path.
        numbers: values by path.
    """

    def __init__(self, options: Mapping[str, Value] | None = None, numbers: Mapping[str, float] | None = None) -> None:
        self._options = options or {}
        self._numbers = numbers or {}
        self.told: dict[str, Any] = {}
        self.asked: dict[str, tuple[Value, ...] | Float | Int] = {}

    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        """Return the default, moved into the range; the range's middle where there is none."""
        middle = within.at(0.5) if isinstance(within, Float) else within.grid()[len(within.grid()) // 2]
        wanted = self._numbers.get(name, middle if default is None else default)
        value: float | int = within.clip(wanted)  # type: ignore[arg-type]
        self.asked[name] = within
        self.told[optuna_name(name, within)] = to_optuna(value, within)
        return value

    def option(self, name: str, labels: tuple[Value, ...], default: Value) -> Value:
        """Return the named option, or the default, or the first."""
        label = self._options.get(name, default if default in labels else labels[0])
        self.asked[name] = labels
        self.told[name] = label
        return label


def defaults(experiment: Searchable) -> list[dict[str, Any]]:
    """Return what to try first: every alternative among plugins with its own defaults.

    Each in turn beside the first alternatives of the others, so that no study ends below them.
    """
    found: list[dict[str, Any]] = []
    for options in first_options(experiment):
        suggest = FixedSuggest(options)
        experiment.draw(suggest)
        if suggest.told and suggest.told not in found:
            found.append(suggest.told)
    return found


def first_options(experiment: Searchable) -> list[dict[str, Value]]:
    """Return options by path: none, then each alternative of every field in which plugins stand."""
    found: list[dict[str, Value]] = [{}]
    for field, node in experiment.nodes.items():
        if isinstance(node, Choice) and any(isinstance(option, Plugin | Search) for option in node.options):
            found += [{field: label} for label in alternatives(node)]
    return found


def grid(experiment: Searchable) -> Iterator[dict[str, Any]]:
    """Yield every point of a grid over the experiment: all options, all whole numbers, five points of a real range."""
    yield from _grid(experiment, {}, {})


def _grid(experiment: Searchable, options: dict[str, Value], numbers: dict[str, float]) -> Iterator[dict[str, Any]]:
    suggest = FixedSuggest(options, numbers)
    experiment.draw(suggest)
    for name, asked in suggest.asked.items():
        if name in options or name in numbers:
            continue
        if isinstance(asked, tuple):
            for label in asked:
                yield from _grid(experiment, {**options, name: label}, numbers)
        else:
            for value in _points(asked):
                yield from _grid(experiment, options, {**numbers, name: value})
        return
    yield suggest.told


def _points(within: Float | Int) -> Sequence[float]:
    if isinstance(within, Int):
        return within.grid()
    return [within.at(index / (GRID_POINTS - 1)) for index in range(GRID_POINTS)]


def searched(experiment: Searchable) -> tuple[str, ...]:
    """Return the flat names of the hyperparameters that vary, each once, whichever alternative brings them."""
    found: dict[str, None] = {}
    for field, node in experiment.nodes.items():
        for name in _varying(node, field):
            found.setdefault(name)
    return tuple(found)


def shared(experiment: Searchable) -> tuple[str, ...]:
    """Return those of the searched hyperparameters that every trial has, whichever alternatives it draws."""
    found = set().union(*(_certain(node, field) for field, node in experiment.nodes.items()))
    return tuple(name for name in searched(experiment) if name in found)


def _certain(node: Any, name: str) -> set[str]:
    if isinstance(node, Choice):
        return {name}.union(set.intersection(*(_certain(option, name) for option in node.options)))
    fields = node.fields if isinstance(node, Search) else dict(node) if isinstance(node, Plugin) else {}
    return {name}.union(*(_certain(value, f"{name}.{field}") for field, value in fields.items()))


def _varying(node: Any, name: str) -> Iterator[str]:
    if isinstance(node, Float | Int | Choice):
        yield name
    for option in node.options if isinstance(node, Choice) else (node,):
        if isinstance(option, Search):
            for field, value in option.fields.items():
                yield from _varying(value, f"{name}.{field}")
