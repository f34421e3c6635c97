"""What a worker keeps of the trial that has ended best on it."""

from collections.abc import Mapping

import numpy as np

from tunelab.contracts import Backend, Start
from tunelab.experiments import Experiment
from tunelab.training.member import Member


class Best:
    """The best value that a trial has ended with so far, by the experiment's objective.

    Args:
        experiment: what is trained.
        backend: where parameters lie.
    """

    def __init__(self, experiment: Experiment, backend: Backend) -> None:
        self._objective, self._sign = experiment.objective, 1 if experiment.maximize else -1
        self._backend = backend
        self._score: float | None = None

    def kept(self, member: Member, metrics: Mapping[str, float]) -> dict[str, np.ndarray] | None:
        """Return the weights of a member that has ended, by name, if no other has ended better or as well."""
        if self._objective not in metrics:
            return None
        score = self._sign * metrics[self._objective]
        if self._score is not None and score <= self._score:
            return None
        self._score = score
        theta = member.theta if member.result is None else member.result
        buffers = {name: self._backend.to_numpy(values) for name, values in member.buffers.items()}
        return member.network.named(Start(self._backend.to_numpy(theta), buffers))
