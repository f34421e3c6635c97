"""The path of every optimizer on Rosenbrock's valley, trained by tunelab's own loop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np

from catalogue.entries import Entry
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Array, Loss, Optimizer, Rule, Tape, Targets
from tunelab.data.split import Split
from tunelab.experiments import Configuration, Training
from tunelab.models import Rosenbrock
from tunelab.models.losses import Surface
from tunelab.schedules import Constant
from tunelab.space import Float
from tunelab.training.feed import Arrays
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.population import Cohort, Population
from tunelab.trial import Report, Trial

STEPS = 500
RATES = 100
BEYOND = 100
"""How far outside its range, which is meant for networks, a learning rate is looked for."""

COARSE = 5
"""Of so many learning rates one is tried, where two optimizers have one each."""

VALLEY = Rosenbrock()
BOUND = 1e8


@dataclass(frozen=True)
class Path:
    """Where an optimizer went.

    Attributes:
        label: its learning rate, in words.
        points: `(steps + 1, 2)`, of parameters as they are evaluated.
        value: the function at the last of them.
    """

    label: str
    points: np.ndarray
    value: float


@dataclass(frozen=True)
class Followed(Loss):
    """The valley's height, which also tells where the point is."""

    surface: Surface
    targets: ClassVar[Targets] = "none"
    metrics: ClassVar[tuple[str, ...]] = ("loss", "x", "y")

    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the heights and their gradients."""
        return self.surface.gradient(xp, out, target, tape)

    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return the heights and both coordinates."""
        return self.surface.evaluate(xp, out, target) | {"x": out[:, 0, 0], "y": out[:, 0, 1]}


def paths(entries: Sequence[Entry]) -> dict[str, Path]:
    """Return the best path of each optimizer by name; one that never ends in the valley has none."""
    tried = [(entry.name, *candidate) for entry in entries for candidate in candidates(entry.plugin)]
    ends = {report.trial: report.metrics["loss"] for report in trained([rule for *_, rule in tried], epochs=1)}
    best: dict[str, int] = {}
    for number in sorted(ends, key=lambda number: ends[number]):
        best.setdefault(tried[number][0], number)
    points: list[list[tuple[float, float]]] = [[VALLEY.start] for _ in best]
    for report in trained([tried[number][2] for number in best.values()], epochs=STEPS):
        points[report.trial].append((report.metrics["x"], report.metrics["y"]))
    return {
        name: Path(tried[number][1], np.array(walked), ends[number])
        for (name, number), walked in zip(best.items(), points, strict=True)
    }


def candidates(plugin: type[Any]) -> list[tuple[str, Optimizer]]:
    """Return the rule at every learning rate to try, in words too; one that wraps another, around each of that one's.

    >>> from tunelab.optimizers import Adam, Prodigy
    >>> candidates(Adam)[-1][0], candidates(Prodigy)[0][0]
    ('lr = 3', 'defaults')
    """
    ranges = plugin.ranges()
    scheduled = plugin.scheduled if issubclass(plugin, Rule) else ()
    rates = {name: grid(ranges[name]) for name in scheduled if isinstance(ranges.get(name), Float)}
    if rates:
        fields = [dict(zip(rates, values, strict=True)) for values in zip(*rates.values(), strict=True)]
        return [(", ".join(f"{name} = {rate:g}" for name, rate in one.items()), plugin(**one)) for one in fields]
    if any(info.is_required() for info in plugin.model_fields.values()):
        return []
    default = plugin()
    wrapped = {name: candidates(type(part)) for name, part in default.parts().items() if isinstance(part, Optimizer)}
    if not wrapped:
        return [("defaults", default)]
    every = 1 if len(wrapped) == 1 else COARSE
    found = []
    for chosen in product(*(each[::every] for each in wrapped.values())):
        label = ", ".join(f"{name}: {words}" for name, (words, _) in zip(wrapped, chosen, strict=True))
        found.append((label, plugin(**{name: one for name, (_, one) in zip(wrapped, chosen, strict=True)})))
    return found


def grid(within: Float) -> list[float]:
    """Return the learning rates to try, to two digits, so that what is written beside a path is what it took.

    >>> grid(Float(1e-3, 1.0, log=True))[:3]
    [1e-05, 1.2e-05, 1.4e-05]
    """
    return [float(f"{rate:.2g}") for rate in np.geomspace(within.low / BEYOND, within.high * BEYOND, RATES)]


def trained(optimizers: Sequence[Optimizer], *, epochs: int) -> Iterator[Report]:
    """Train all in one population for `STEPS` steps; yield a report of each at the end of every epoch."""
    steps = STEPS // epochs
    backend = NumpyBackend("float64")
    network = LayerNetwork(VALLEY.layers(0, 0), Followed(Surface(VALLEY)))
    rows = Split.none()
    arrays = Arrays({"": (backend.asarray(rows.x_train), backend.asarray(rows.y_train))})
    training = Training(epochs=epochs)
    population = Population(Cohort(network, len(rows.x_train), steps), arrays, backend, BOUND)
    population.admit(
        [
            Member.new(Trial(number, 0, {}), Configuration(VALLEY, one, Constant(), training), network, steps, backend)
            for number, one in enumerate(optimizers)
        ]
    )
    for _ in range(epochs):
        yield from (event for event in population.epoch() if isinstance(event, Report))
