"""The factor of every schedule over a training, worked out as a training does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from catalogue.entries import Entry
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Schedule
from tunelab.experiments import Configuration, Training
from tunelab.models import Quadratic
from tunelab.models.losses import surface_for
from tunelab.optimizers import SGD
from tunelab.space import Float, Int
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.plan import factors
from tunelab.trial import Trial

EPOCHS = 40
STEPS_AN_EPOCH = 10

Curves = dict[str, np.ndarray]
"""Factors `(EPOCHS * STEPS_AN_EPOCH,)` by what is varied, the default first."""


def curves(entries: Sequence[Entry]) -> dict[str, Curves]:
    """Return every schedule's factors by name; one that has no default has none."""
    return {
        entry.name: {label: over_a_training(one) for label, one in variants(entry.plugin)}
        for entry in entries
        if not any(info.is_required() for info in entry.plugin.model_fields.values())
    }


def variants(plugin: type[Any]) -> list[tuple[str, Schedule]]:
    """Return the default, and both ends of the first field that is searched over numbers."""
    numeric = {name: within for name, within in plugin.ranges().items() if isinstance(within, Float | Int)}
    for name, within in numeric.items():
        ends = [(f"{name} = {end:g}", plugin(**{name: end})) for end in (within.low, within.high)]
        return [(f"{name} = {getattr(plugin(), name):.3g}", plugin()), *ends]
    return [("", plugin())]


def over_a_training(schedule: Schedule) -> np.ndarray:
    """Return the factor of each step; a schedule that follows a metric is shown `loss`."""
    member = _member(schedule)
    steps = np.arange(STEPS_AN_EPOCH)[:, None, None]
    found = []
    for epoch in range(EPOCHS):
        found.append(factors([member], steps + epoch * STEPS_AN_EPOCH)[:, 0, 0])
        member.memory = schedule.observe(member.memory, {"val_loss": loss(epoch)})
    return np.concatenate(found)


def loss(epoch: int) -> float:
    """Return a loss that falls over the first fifth of the training and then stands still."""
    return max(1 - 4 * epoch / EPOCHS, 0.2)


def _member(schedule: Schedule) -> Member:
    model, backend = Quadratic(), NumpyBackend("float64")
    network = LayerNetwork(model.layers(0, 0), surface_for(model, "none"))
    configuration = Configuration(model, SGD(), schedule, Training(epochs=EPOCHS))
    return Member.new(Trial(0, 0, {}), configuration, network, STEPS_AN_EPOCH, backend)
