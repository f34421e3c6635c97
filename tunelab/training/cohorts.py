"""Which trials may train together, and how many of them."""

from dataclasses import replace

from tunelab.contracts import Backend, Network
from tunelab.data.items import Items, Parts
from tunelab.errors import ExperimentError
from tunelab.experiments import Configuration, Experiment
from tunelab.training.feed import Feed
from tunelab.training.network import LARGEST
from tunelab.training.networks import network_of
from tunelab.training.population import Cohort
from tunelab.trial import Trial


class Cohorts:
    """Finds each trial's cohort: those that share its network, its batch size and its steps an epoch.

    A network is tried on the rows of one step when it is first seen. That members of some cannot train together is
    found then, or while they train, and said once.

    Args:
        experiment: what is trained.
        split: the rows, or what reads them.
        feed: gives them to a population.
        backend: what computes.
        population: members that train together at most; None for as many as the cache holds.

    Attributes:
        apart: trials that train alone, whomever they could train with.
    """

    def __init__(
        self, experiment: Experiment, split: Parts, feed: Feed, backend: Backend, population: int | None
    ) -> None:
        self.apart: set[int] = set()
        self._experiment = experiment
        self._split = split
        self._feed = feed
        self._backend = backend
        self._population = population
        self._fitted: dict[Cohort, tuple[Cohort, int]] = {}  # as it was first seen, and its places
        self._found_alone: list[tuple[int, str]] = []
        self._notes = list(split.notes) if isinstance(split, Items) else []

    def of(self, trial: Trial) -> tuple[Configuration, Cohort]:
        """Return what a trial trains, and with whom it may.

        Raises:
            Exception: whatever is wrong with it, a person's own code included.
        """
        configuration = self._experiment.configure(dict(trial.params))
        return configuration, self.own(self._fit(self._cohort(configuration)), trial)

    def own(self, cohort: Cohort, trial: Trial) -> Cohort:
        """Return the cohort, or one of the trial's own if it trains apart."""
        return replace(cohort, apart=trial.number) if trial.number in self.apart else cohort

    def capacity(self, cohort: Cohort) -> int:
        """Return how many members may train together: what was asked for, or what the cache holds."""
        return 1 if cohort.apart is not None else self._fitted[cohort][1]

    def network(self, configuration: Configuration) -> Network:
        """Return the network that a trial trains."""
        return network_of(self._experiment, configuration, self._split)

    def train_alone(self, cohort: Cohort, reason: str) -> None:
        """Take it as known that members of this cohort cannot train together."""
        first, _ = self._fitted[replace(cohort, apart=None)]
        first.network.alone, self._fitted[first] = reason, (first, 1)

    def find_alone(self, cohort: Cohort, number: int, reason: str) -> None:
        """Note and say that this was found out, by a trial's network."""
        self.train_alone(cohort, reason)
        self._say_why_alone(cohort.network)
        self._found_alone.append((number, reason))

    def found_alone(self) -> tuple[tuple[int, str], ...]:
        """Return what was found out since this was asked last: by whose networks, and why."""
        found, self._found_alone = tuple(self._found_alone), []
        return found

    def say(self, note: str) -> None:
        """Note what a person should know of how trials train."""
        if note not in self._notes:
            self._notes.append(note)

    def said(self) -> tuple[str, ...]:
        """Return the notes since this was asked last."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def _cohort(self, configuration: Configuration) -> Cohort:
        size = self._feed.size(configuration.batch_size)
        steps = self._experiment.steps_per_epoch or self._feed.steps(size)
        if not steps:
            raise ExperimentError("how many steps an epoch has is not known; say steps_per_epoch")
        return Cohort(self.network(configuration), size, steps)

    def _fit(self, cohort: Cohort) -> Cohort:
        """Return the cohort as it was first seen; try its network on the rows of one step if this is the first time."""
        if cohort not in self._fitted:
            x, y = self._feed.sample(cohort.batch_size)
            places = cohort.network.fit(self._backend, x, y, self._population, LARGEST)
            reason = self._feed.apart(cohort.batch_size)
            if reason is not None:
                cohort.network.alone, places = reason, 1
            self._fitted[cohort] = cohort, places
            self._say_why_alone(cohort.network)
        return self._fitted[cohort][0]

    def _say_why_alone(self, network: Network) -> None:
        if network.alone and self._population != 1:
            self.say(f"trials train one at a time: {network.alone}")
