"""What members train on in a law: rows or a function, cut into steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Array, LayerModel, Targets
from tunelab.experiments import Configuration, Training
from tunelab.models import MLP
from tunelab.models.losses import loss_for
from tunelab.testing.entrant import Entrant
from tunelab.training.feed import Arrays
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.population import Cohort, Population
from tunelab.trial import Trial

ROWS = 40
HELD_OUT = 9
BATCH = 16
BOUND = 1e8
"""A training loss above this ends a member, as in an experiment."""


class Poisoned(NumpyBackend):
    """NumPy whose arrays of no particular content hold NaN, so that whoever reads them before writing is found out.

    >>> Poisoned("float64").empty((2,))
    array([nan, nan])
    """

    def empty(self, shape: Sequence[int]) -> Array:
        """Return NaNs."""
        return np.full(shape, np.nan, self.dtype)


@dataclass(frozen=True)
class Problem:
    """Rows and a model, or a function to minimise.

    Attributes:
        model: what is trained.
        targets: what the rows ask to predict; `"none"` for a function.
        dtype: of all arrays.
        inputs, outputs: numbers that a row comes with, and classes or values that belong to it.
        steps: optimizer steps an epoch.
        batch_size: rows a step.
    """

    model: LayerModel
    targets: Targets
    dtype: str
    inputs: int = 6
    outputs: int = 3
    steps: int = 1
    batch_size: int = BATCH

    @property
    def network(self) -> LayerNetwork:
        """Layers and loss, made anew."""
        return self._network(self.model)

    def population(self, entrants: Sequence[Entrant]) -> Population:
        """Return a population of new members, each of which has not trained yet."""
        backend = Poisoned(self.dtype)
        x, y = (backend.asarray(values) for values in self.rows())
        parts = {"train_": (x[:ROWS], y[:ROWS]), "val_": (x[ROWS:], y[ROWS:])}
        arrays = Arrays({"": (x, y)} if self.targets == "none" else parts)
        made = Population(Cohort(self.network, self.batch_size, self.steps), arrays, backend, BOUND)
        made.admit([self._member(entrant, backend) for entrant in entrants])
        return made

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return features `(rows, inputs)`, and class indices or values that depend on them; the same each time.

        The last nine are held out.
        """
        if self.targets == "none":
            return np.zeros((1, 0)), np.zeros((1, 0))
        rng = np.random.default_rng(0)
        x = rng.standard_normal((ROWS + HELD_OUT, self.inputs))
        values = np.tanh(x @ rng.standard_normal((self.inputs, self.outputs)))
        return (x, values.argmax(1)) if self.targets == "classes" else (x, values)

    def _member(self, entrant: Entrant, backend: NumpyBackend) -> Member:
        model = self.model if entrant.model is None else entrant.model
        training = Training(epochs=entrant.epochs)
        configuration = Configuration(model, entrant.optimizer, entrant.schedule, training)
        trial = Trial(entrant.number, entrant.seed, {})
        member = Member.new(trial, configuration, self._network(model), self.steps, backend)
        if entrant.poisoned is not None:
            member.theta[...] = entrant.poisoned
        return member

    def _network(self, model: LayerModel) -> LayerNetwork:
        inputs, outputs = (0, 0) if self.targets == "none" else (self.inputs, self.outputs)
        return LayerNetwork(model.layers(inputs, outputs), model.loss(self.targets) or loss_for("auto", self.targets))


def clusters(dtype: str, *, steps: int = 1, full_batch: bool = False) -> Problem:
    """Return a small network on a few rows of three classes: matrices, vectors, and batches that differ.

    >>> clusters("float64").network.size
    53
    """
    model = MLP(width=5, depth=1, activation="tanh")
    return Problem(model, "classes", dtype, steps=steps, batch_size=ROWS if full_batch else BATCH)


def surface(model: LayerModel, dtype: str, *, steps: int = 1) -> Problem:
    """Return a function to minimise."""
    return Problem(model, "none", dtype, steps=steps, batch_size=1)
