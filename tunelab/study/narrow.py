"""Search no more than the number of trials is good for."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from tunelab.drawing import Node
from tunelab.errors import ExperimentError
from tunelab.searchable import Searchable
from tunelab.space import Range
from tunelab.study.ranges import Where, ranges, replaced
from tunelab.study.suggest import searched

SearchMode = Literal["auto", "all"]
"""Search what the number of trials is good for, or every range there is."""


@dataclass(frozen=True, slots=True)
class Held:
    """A range that a plugin brings and a study did not search.

    Attributes:
        name: flat: `optimizer.beta1`.
        path: the same, of one alternative: `optimizer.adam.beta1`.
        value: where it was held: the plugin's default.
        trials: from so many trials on it is searched.
    """

    name: str
    path: str
    value: Node
    trials: int


def narrowed(experiment: Searchable, trials: int | None, search: SearchMode = "auto") -> Searchable:
    """Return the experiment without the ranges that so many trials are too few for, fixed at the plugins' defaults.

    Only ranges that a plugin brings and nobody asked for are narrowed. Where nothing would be left to search, the next
    more important ranges stay. Without a number of trials, nothing is narrowed.

    Args:
        experiment: what may vary.
        trials: how many; None if nobody knows.
        search: `"all"` narrows nothing.

    Raises:
        ExperimentError: another search than these two.

    >>> from tunelab import Experiment
    >>> from tunelab.models import Quadratic
    >>> experiment = Experiment(name="bowl", model=Quadratic(), optimizer="adam")
    >>> [searched(narrowed(experiment, trials)) for trials in (9, 10)]
    [('optimizer.lr',), ('optimizer.lr', 'optimizer.beta1')]
    """
    if search not in get_args(SearchMode):
        raise ExperimentError(f"search must be 'auto' or 'all', was {search!r}")
    if search == "all" or trials is None:
        return experiment
    marks = {_from_trials(where) for _, where in ranges(experiment).values()}
    for enough in (trials, *sorted(mark for mark in marks if mark > trials)):
        found = replaced(experiment, partial(_fixed, trials=enough))
        if searched(found):
            break
    return found


def held(experiment: Searchable, narrow: Searchable) -> tuple[Held, ...]:
    """Return what of an experiment's ranges its narrower form does not search."""
    kept = ranges(narrow)
    return tuple(
        Held(where.name, path, _default(where), _from_trials(where))
        for path, (_, where) in ranges(experiment).items()
        if path not in kept
    )


def _fixed(range_: Range, where: Where, *, trials: int) -> Node:
    return _default(where) if _from_trials(where) > trials else range_


def _from_trials(where: Where) -> int:
    """Return from how many trials on the range is searched; a field without a default always is."""
    if not where.own or where.plugin.model_fields[where.field].is_required():
        return 0
    return where.plugin.from_trials().get(where.field, 0)


def _default(where: Where) -> Node:
    return where.plugin.model_fields[where.field].get_default(call_default_factory=True)
