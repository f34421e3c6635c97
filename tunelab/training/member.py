"""A trial while it trains: all that a checkpoint of it would hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunelab.contracts import Array, Backend, Network, Optimizer, Own
from tunelab.experiments import Configuration
from tunelab.training.pieces import by_prefix, slot_sizes, tensors_of
from tunelab.training.streams import Purpose, stream
from tunelab.trial import Trial


@dataclass(eq=False)
class Member:
    """One member's own state; while it trains, its arrays are rows of a population's.

    Attributes:
        trial: who it is.
        configuration: what it trains.
        network: what it has in common with its cohort.
        total: optimizer steps of its whole training.
        theta: parameters `(n,)`.
        slots: the optimizer's arrays `(n,)` by name.
        buffers: what the network keeps beside parameters, by name.
        own: what a rule that sees members keeps for this one.
        epoch, step: how many it has finished.
        lr: the learning rate of its last step.
        result: what was evaluated last, where that is not theta (`Optimizer.averages`).
        noise: its stream of dropout noise in the present epoch.
        rows_seen, loss_seen: in the present epoch, the rows that it trained on and the sum of their losses.
        memory: what its schedule remembers of past epochs.
        optimizer: the optimizer in force, which may hand over to another in the course of the training.
        changes: the steps after which the next one takes over.
        began: the steps that it had taken when the rule in force began to count its own.
    """

    trial: Trial
    configuration: Configuration
    network: Network
    total: int
    theta: Array
    slots: dict[str, Array]
    buffers: dict[str, Array] = field(default_factory=dict)
    own: Own | None = None
    epoch: int = 0
    step: int = 0
    lr: float = 0.0
    result: Array | None = None
    began: int = 0
    rows_seen: int = 0
    loss_seen: float = 0.0
    noise: np.random.Generator = field(init=False)
    memory: Mapping[str, float] = field(init=False)
    optimizer: Optimizer = field(init=False)
    changes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.memory = self.configuration.schedule.memory()
        self.optimizer = self.configuration.penalised.at_step(0, self.total)
        self.changes = self.configuration.optimizer.changes(self.total)
        self.begin_epoch()

    @classmethod
    def new(
        cls, trial: Trial, configuration: Configuration, network: Network, steps_per_epoch: int, backend: Backend
    ) -> "Member":
        """Return a member that has not trained yet."""
        total = configuration.training.epochs * steps_per_epoch
        start = network.start(trial.seed)
        theta = backend.asarray(start.theta)
        optimizer = configuration.penalised.at_step(0, total)
        slots = fresh_slots(optimizer, network, theta, backend)
        buffers = {name: backend.asarray(values) for name, values in start.buffers.items()}
        own = optimizer.rule.begin(tensors_of(theta, network), trial.seed)
        return cls(trial, configuration, network, total, theta, slots, buffers, own)

    def begin_epoch(self) -> None:
        """Begin the present epoch: its own stream of dropout noise, and no row seen."""
        self.noise = stream(self.trial.seed, Purpose.NOISE, self.epoch)
        self.rows_seen, self.loss_seen = 0, 0.0

    @property
    def finished(self) -> bool:
        """Whether it has trained all its epochs."""
        return self.epoch >= self.configuration.training.epochs

    @property
    def next_change(self) -> int | None:
        """The step after which the next optimizer takes over, if one will."""
        return next((step for step in self.changes if step > self.step), None)


def fresh_slots(optimizer: Optimizer, network: Network, theta: Array, backend: Backend) -> dict[str, Array]:
    """Return an optimizer's arrays `(n,)` before its first step from theta."""
    slots = {name: backend.zeros((size,)) for name, size in slot_sizes(optimizer, network).items()}
    for prefix, level in by_prefix(optimizer).items():
        for name in level.copies:
            slots[prefix + name][...] = theta
    return slots


def side_by_side(arrays: Sequence[Array], backend: Backend) -> Array:
    """Lay an array of each member into rows `(P, ...)`; a lone one becomes a row as it is, without a copy."""
    first = arrays[0]
    return first[None] if len(arrays) == 1 else backend.xp.stack(list(arrays))
