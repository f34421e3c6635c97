"""The factor of every schedule over a training."""

from dataclasses import dataclass

import numpy as np

from tunelab.contracts import Plugin, Schedule
from tunelab.plugins import listings, load
from tunelab.space import Float
from tunelab.training.plan import hyperparameters

TOTAL = 100


@dataclass(frozen=True)
class Curve:
    """The factors of one schedule.

    Attributes:
        lines: by label, `(TOTAL,)` each.
    """

    lines: dict[str, np.ndarray]


def curves() -> dict[str, Curve]:
    """Return the factors of each of tunelab's own schedules by name."""
    own = [name for name, claims in listings("schedule").items() if claims[0].distribution == "tunelab"]
    return {name: _curve(load("schedule", name)) for name in own}


def _curve(plugin: type[Plugin]) -> Curve:
    lines = {"defaults": factors(plugin())}
    field, within = next(((n, r) for n, r in plugin.ranges().items() if isinstance(r, Float)), (None, None))
    if field is not None and within is not None:
        lines |= {f"{field} = {end:g}": factors(plugin(**{field: end})) for end in (within.low, within.high)}
    return Curve(lines)


def factors(schedule: Plugin) -> np.ndarray:
    """Return the factor of every step, `(TOTAL,)`; a metric that is followed falls for 30 epochs of a step each."""
    assert isinstance(schedule, Schedule)
    memory, found = schedule.memory(), []
    for step in range(TOTAL):
        hyper = hyperparameters([schedule])
        vars(hyper).update({name: np.array([[value]]) for name, value in memory.items()})
        factor = schedule.factor(hyper, np.array([[[step]]]), np.array([[TOTAL]]))
        found.append(float(np.ravel(factor)[0]))
        memory = dict(schedule.observe(memory, {"val_loss": 0.9 ** min(step, 30)}))
    return np.array(found)
