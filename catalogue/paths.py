"""The path of every optimizer on Rosenbrock's valley, trained in one population."""

from dataclasses import dataclass

import numpy as np

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Optimizer, Rule
from tunelab.data.split import Split
from tunelab.experiment import Configuration, Experiment, Training
from tunelab.models import Rosenbrock
from tunelab.plugins import listings, load
from tunelab.schedules import Constant
from tunelab.space import Float
from tunelab.training.member import Member
from tunelab.training.population import Arrays, Cohort, Population
from tunelab.training.trainer import network_of
from tunelab.trial import Trial

STEPS = 200
RATES = 5
BEYOND = 10


@dataclass(frozen=True)
class Path:
    """Where one optimizer went.

    Attributes:
        name: of the plugin.
        lr: the learning rate that it went with.
        points: `(steps + 1, 2)`.
    """

    name: str
    lr: float
    points: np.ndarray


def paths() -> dict[str, Path]:
    """Return the path of each of tunelab's own optimizers, at that one of several learning rates which ends lowest."""
    own = [name for name, claims in listings("optimizer").items() if claims[0].distribution == "tunelab"]
    tried = [(name, optimizer) for name in own for optimizer in _rates(_default(name))]
    found: dict[str, Path] = {}
    for (name, optimizer), points in zip(tried, _train([optimizer for _, optimizer in tried]), strict=True):
        path = Path(name, optimizer.rule.lr, points)
        if name not in found or _height(path) < _height(found[name]):
            found[name] = path
    return found


def _default(name: str) -> Optimizer:
    made = load("optimizer", name)()
    assert isinstance(made, Optimizer)
    return made


def _rates(optimizer: Optimizer) -> list[Optimizer]:
    """Return the optimizer with several learning rates, two of them outside its range: here is no noise."""
    within = optimizer.rule.ranges().get("lr")
    if not isinstance(within, Float):
        return [optimizer]
    inside = [within.at(index / (RATES - 1)) for index in range(RATES)]
    return [_with_rate(optimizer, lr) for lr in (within.low / BEYOND, *inside, within.high * BEYOND)]


def _with_rate(optimizer: Optimizer, lr: float) -> Optimizer:
    """Return the optimizer with another learning rate; what it hands over to gets the lowest of its own range."""

    def changed(rule: Rule) -> Optimizer:
        within = rule.ranges()["lr"]
        assert isinstance(within, Float)
        own = lr if type(rule) is type(optimizer.rule) else within.low
        return rule.model_copy(update=dict.fromkeys(rule.scheduled, own))

    return optimizer.map_rules(changed)


def _height(path: Path) -> float:
    """Return the height at the path's end; infinite if it left the map for good."""
    x, y = path.points[-1]
    return float((1 - x) ** 2 + 100 * (y - x * x) ** 2) if len(path.points) == STEPS + 1 else np.inf


def _train(optimizers: list[Optimizer]) -> list[np.ndarray]:
    """Return the points of each, `(steps + 1, 2)`, fewer where it diverged."""
    experiment = Experiment(name="catalogue", model=Rosenbrock(), optimizer="sgd", dtype="float64")
    backend, training = NumpyBackend("float64"), Training(epochs=STEPS)
    configurations = [Configuration(Rosenbrock(), optimizer, Constant(), training) for optimizer in optimizers]
    network = network_of(experiment, configurations[0], Split.none())
    members = [
        Member.new(Trial(n, n, {}), configuration, network, 1, backend)
        for n, configuration in enumerate(configurations)
    ]
    nothing = backend.asarray(np.zeros((1, 0)))
    population = Population(Cohort(network, 1, 1), Arrays({"": (nothing, nothing)}), backend, 1e8)
    points = [[member.theta] for member in members]
    present = members
    for _ in range(STEPS):
        population.admit(present)
        list(population.epoch())
        present = population.release(lambda _: True)
        for member in present:
            points[member.trial.number].append(member.theta)
    return [np.array(each) for each in points]
