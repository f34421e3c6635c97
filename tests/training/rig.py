"""Parts of a population, made by hand."""

from typing import Any

import numpy as np

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import LayerModel, Optimizer, Schedule
from tunelab.experiments import Configuration, Training
from tunelab.models import Quadratic
from tunelab.models.losses import loss_for
from tunelab.optimizers import SGD
from tunelab.schedules import Constant
from tunelab.training.feed import Arrays
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.population import Cohort, Population
from tunelab.trial import Trial

DOUBLE = NumpyBackend("float64")


def network(model: LayerModel, inputs: int = 0, outputs: int = 0) -> LayerNetwork:
    targets = "none" if inputs == 0 else "classes"
    return LayerNetwork(model.layers(inputs, outputs), model.loss(targets) or loss_for("auto", targets))


def member(
    number: int = 0,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    *,
    steps: int = 4,
    seed: int | None = None,
    net: LayerNetwork | None = None,
    backend: NumpyBackend = DOUBLE,
    **training: Any,
) -> Member:
    """Return a member of `steps` steps an epoch."""
    model = Quadratic(start=(1.0, -2.0))
    configuration = Configuration(model, optimizer or SGD(lr=0.1), schedule or Constant(), Training(**training))
    trial = Trial(number, number if seed is None else seed, {})
    return Member.new(trial, configuration, net or network(model), steps, backend)


def population(
    members: list[Member], x: np.ndarray, y: np.ndarray, *, batch_size: int, bound: float = 1e8
) -> Population:
    """Return a population of these members on these rows."""
    arrays = Arrays({"train_": (DOUBLE.asarray(x), DOUBLE.asarray(y))})
    cohort = Cohort(members[0].network, batch_size, -(-len(x) // batch_size))
    made = Population(cohort, arrays, DOUBLE, bound)
    made.admit(members)
    return made
