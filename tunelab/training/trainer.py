"""A worker's side of training: admits trials into populations and trains them, one round after another."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tunelab.backends import backend_of
from tunelab.contracts import Backend
from tunelab.data.items import Items, Parts
from tunelab.errors import CheckpointError, ExperimentError, in_words
from tunelab.experiments import Configuration, Experiment
from tunelab.training.batches import UnlikeBatches
from tunelab.training.best import Best
from tunelab.training.cohorts import Cohorts
from tunelab.training.feed import Arrays, Feed
from tunelab.training.finish import finish
from tunelab.training.member import Member
from tunelab.training.member_checkpoint import MemberCheckpoints
from tunelab.training.memory_limit import named, ran_out_of_memory
from tunelab.training.population import Cohort, Population
from tunelab.training.time_limit import TimeLimit, without_hung
from tunelab.trial import FREE, STOPPED, Ended, Going, Limits, Orders, Progress, Report, State, Trial

SECONDS_A_CHECKPOINT = 30.0
"""Between two checkpoints of a member: what a killed worker has to train again, at most, for each that it had."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs to train any trial of a study.

    Attributes:
        experiment: what is trained.
        split: the rows, or what reads them.
        population: members that train together at most; None for as many as the cache holds.
        checkpoints: the folder of those of members; None keeps none.
        limits: what a trial may take.
    """

    experiment: Experiment
    split: Parts
    population: int | None = None
    checkpoints: Path | None = None
    limits: Limits = FREE

    @property
    def folder(self) -> Path | None:
        """Where checkpoints lie."""
        return self.checkpoints

    def worker(self, note: int | None = None) -> "Trainer":
        """Return what trains it."""
        return Trainer(self, note)

    def elsewhere(self, spare: Path) -> "Job":
        """Return the same job without checkpoints: nobody would find them there."""
        return replace(self, checkpoints=None)


class Trainer:
    """Trains whatever trials it is given, those of one cohort together.

    Each round trains one epoch of one population: that of the oldest trial, so that no trial waits for ever and
    those that wait gain company. If a population raises, its members start again, each alone: only those whose fault
    it was fail. If it runs out of memory beside others, these start again too, once it has ended: only what is too
    large by itself fails.

    Args:
        job: what to train.
        note: where to say who trains, in a process of its own.

    Attributes:
        limits: what a trial may take.
    """

    def __init__(self, job: Job, note: int | None = None) -> None:
        self.limits = job.limits
        self._time = TimeLimit(job.limits.seconds, note)
        self._spared: set[int] = set()
        self._job = job
        self._backend = backend_of(job.experiment.backend, job.experiment.dtype)
        self._feed = _feed(job.split, self._backend)
        self._cohorts = Cohorts(job.experiment, job.split, self._feed, self._backend, job.population)
        self._waiting: dict[Cohort, dict[int, tuple[Trial, Configuration]]] = {}
        self._populations: dict[Cohort, Population] = {}
        self._best = Best(job.experiment, self._backend)
        self._checkpoints = MemberCheckpoints(job.checkpoints, self._backend)
        self._saved, self._pause = time.monotonic(), SECONDS_A_CHECKPOINT
        self._lacked_memory = False

    @property
    def busy(self) -> bool:
        """Whether any trial runs or waits."""
        return bool(self._waiting or self._populations)

    def round(self, orders: Orders) -> Progress:
        """Admit and stop trials as ordered, then train one epoch of one population."""
        if orders.finish is not None:
            job = self._job
            return Progress(finished=finish(orders.finish, job.experiment, job.split, self._feed, self._backend))
        self._cohorts.apart |= {each.trial.number for each in orders.going if each.apart}
        self._spared |= {each.trial.number for each in orders.going if each.spared}
        apart, spared = frozenset(self._cohorts.apart), frozenset(self._spared)
        placed = self._placed() | {each.trial.number for each in orders.going if each.epoch is not None}
        self._keep_alone(orders.alone)
        progress = self._advance(orders)
        waiting = {number for trials in self._waiting.values() for number in trials}
        return replace(
            progress,
            again=tuple(sorted(waiting & placed.union(progress.began))),
            apart=tuple(sorted(self._cohorts.apart - apart)),
            spared=tuple(sorted(self._spared - spared)),
            alone=self._cohorts.found_alone(),
            notes=self._cohorts.said(),
        )

    def _placed(self) -> set[int]:
        return {each.trial.number for population in self._populations.values() for each in population.members}

    def _advance(self, orders: Orders) -> Progress:
        began = time.perf_counter()
        self._clear_up()
        orders, hung = without_hung(orders)
        self._cohorts.apart |= {number for each in orders.hung if len(each.trials) > 1 for number in each.trials}
        ended = [*hung, *self._take_up(orders.going), *self._stop(orders.stop), *self._enqueue(orders.start)]
        if not self.busy:
            return Progress(ended=_in_order(ended))
        cohort = min({*self._waiting, *self._populations}, key=self._oldest)
        population, joining, failed = self._fill(cohort)
        members = len(population.members) + len(joining)
        reports, left = self._train(population, joining)
        if not population.members:
            self._populations.pop(cohort, None)
        self._save()
        joined = sorted([member.trial.number for member in joining] + [each.trial for each in failed])
        return Progress(
            began=tuple(joined),
            reports=reports,
            ended=_in_order([*ended, *failed, *left]),
            members=members,
            capacity=self._cohorts.capacity(cohort),
            work=cohort.work(members),
            seconds=time.perf_counter() - began,
        )

    def close(self) -> None:
        """Let go of whoever reads."""
        self._populations.clear()
        self._feed.close()

    def _train(self, population: Population, joining: Sequence[Member]) -> tuple[tuple[Report, ...], tuple[Ended, ...]]:
        """Admit members and train one epoch; return the reports, and the ends of those that left."""
        events: list[Report | Ended] = []
        members = [*population.members, *joining]
        try:
            with self._time.ends_process([member.trial.number for member in members]):
                population.admit(joining)
                events += population.epoch() if members else ()
            reports = tuple(event for event in events if isinstance(event, Report))
            self._require_objective(reports)
            events += self._finish(population, reports)
        except Exception as error:
            gone = {event.trial for event in events if isinstance(event, Ended)}
            events += self._restart(population, [each for each in members if each.trial.number not in gone], error)
        events.sort(key=lambda event: event.trial)  # whoever was admitted first: a pruner sees one after another
        return (
            tuple(event for event in events if isinstance(event, Report)),
            tuple(event for event in events if isinstance(event, Ended)),
        )

    def _require_objective(self, reports: tuple[Report, ...]) -> None:
        """Raise unless the objective was measured; a loss of the person's own may go with outputs of any kind."""
        objective, classes = self._job.experiment.objective, self._job.split.outputs or "classes"
        if any(objective not in report.metrics for report in reports):
            raise ExperimentError(
                f"{objective} was not measured: the module's outputs are not those of classes, (rows, {classes}); "
                "give a metric of your own, metrics={...}, or another objective"
            )

    def _enqueue(self, trials: tuple[Trial, ...]) -> Iterator[Ended]:
        for trial in trials:
            error = self._let_wait(trial)
            if error is not None and ran_out_of_memory(error):
                self._make_room()
                self._clear_up()
                error = self._let_wait(trial)
            if error is not None:
                yield self._failed(trial.number, error)

    def _let_wait(self, trial: Trial) -> Exception | None:
        """Put a trial among those that wait for a place; return why it cannot train, if it cannot."""
        try:
            configuration, cohort = self._tried(trial)  # raises here, for this trial alone, if it cannot train
            self._let_start(cohort, trial, configuration)
        except Exception as error:
            return error.with_traceback(None)  # which holds what it allocated
        return None

    def _tried(self, trial: Trial) -> tuple[Configuration, Cohort]:
        """Return what a trial trains, and with whom it may."""
        with self._time.ends_process((trial.number,)):
            return self._cohorts.of(trial)

    def _take_up(self, going: tuple[Going, ...]) -> Iterator[Ended]:
        """Bring trials to where they were, each alone, and give them their places again."""
        yield from self._enqueue(tuple(each.trial for each in going if each.epoch is None))
        for each in going:
            if each.epoch is None:
                continue
            try:
                configuration, cohort = self._tried(each.trial)
                self._population(cohort).admit([self._again(each.trial, each.epoch, configuration, cohort)])
            except Exception as error:
                if self._is_spared(error, [each.trial]):
                    yield from self._enqueue((each.trial,))
                else:
                    yield self._failed(each.trial.number, error)

    def _again(self, trial: Trial, epoch: int, configuration: Configuration, cohort: Cohort) -> Member:
        """Return a member as it was after some epochs: from its checkpoint on, if it has one, trained once more."""
        member = Member.new(trial, configuration, self._cohorts.network(configuration), cohort.steps, self._backend)
        self._checkpoints.restore(member, epoch)
        alone = Population(cohort, self._feed, self._backend, self._job.experiment.diverged_above)
        alone.admit([member])
        while alone.members and member.epoch < epoch:
            with self._time.ends_process((trial.number,)):
                for _ in alone.epoch():
                    pass
        if not alone.release(lambda _: True):
            raise ExperimentError(f"it diverged at epoch {member.epoch}, which it had passed before")
        return member

    def _save(self) -> None:
        """Write checkpoints of all members, once in a while: at most a fifteenth of the time goes into them."""
        began = time.monotonic()
        if began - self._saved < self._pause:
            return
        try:
            for population in self._populations.values():
                for member in population.members:
                    self._checkpoints.save(member)
        except CheckpointError as error:
            self._cohorts.say(f"running trials have no checkpoint, and would begin anew: {error}")
        self._saved = time.monotonic()
        self._pause = max(SECONDS_A_CHECKPOINT, 15 * (self._saved - began))

    def _stop(self, numbers: tuple[int, ...]) -> Iterator[Ended]:
        stopped = frozenset(numbers)
        yield from self._stop_waiting(stopped)
        for cohort, population in list(self._populations.items()):
            staying = [member for member in population.members if member.trial.number not in stopped]
            for member in population.members:
                if member not in staying:
                    yield Ended(member.trial.number, State.PRUNED, member.epoch, member.step, STOPPED)
            try:
                population.release(lambda member: member.trial.number in stopped)
            except Exception as error:
                yield from self._restart(population, staying, error)
                yield from self._stop_waiting(stopped)
            if not population.members:
                self._populations.pop(cohort, None)

    def _stop_waiting(self, stopped: frozenset[int]) -> Iterator[Ended]:
        for cohort, waiting in list(self._waiting.items()):
            for number in stopped & waiting.keys():
                del waiting[number]
                yield Ended(number, State.PRUNED, 0, 0, STOPPED)
            if not waiting:
                del self._waiting[cohort]

    def _fill(self, cohort: Cohort) -> tuple[Population, list[Member], list[Ended]]:
        """Return the cohort's population, who of those that wait is to join it, and who fails to."""
        waiting = self._waiting.get(cohort, {})
        room = self._cohorts.capacity(cohort) - len(self._population(cohort).members)
        chosen = [waiting.pop(number) for number in sorted(waiting)[: max(room, 0)]]
        if not waiting:
            self._waiting.pop(cohort, None)
        joining: list[Member] = []
        failed: list[Ended] = []
        for trial, configuration in chosen:
            try:
                with self._time.ends_process((trial.number,)):
                    network = self._cohorts.network(configuration)
                    joining.append(Member.new(trial, configuration, network, cohort.steps, self._backend))
            except Exception as error:
                if self._is_spared(error, [trial]) or (joining and ran_out_of_memory(error)):
                    self._cohorts.apart.add(trial.number)
                    self._let_start(cohort, trial, configuration)
                else:
                    failed.append(self._failed(trial.number, error))
        return self._population(cohort), joining, failed

    def _population(self, cohort: Cohort) -> Population:
        if cohort not in self._populations:
            bound = self._job.experiment.diverged_above
            self._populations[cohort] = Population(cohort, self._feed, self._backend, bound)
        return self._populations[cohort]

    def _finish(self, population: Population, reports: tuple[Report, ...]) -> Iterator[Ended]:
        last = {report.trial: report.metrics for report in reports}
        ended = population.release(lambda member: member.finished)
        for member in sorted(ended, key=lambda member: member.trial.number):  # as the ledger does: of equals the first
            weights = self._best.kept(member, last.get(member.trial.number, {}))
            yield Ended(member.trial.number, State.COMPLETE, member.epoch, member.step, weights=weights)

    def _restart(self, population: Population, members: Sequence[Member], error: Exception) -> Iterator[Ended]:
        """Let the members of a population that raised start again: together if others left it no memory, or else apart.

        The only member of one fails.
        """
        if isinstance(error, UnlikeBatches):
            self._cohorts.find_alone(population.cohort, members[0].trial.number, str(error))
        population.disband()
        together = self._is_spared(error, [member.trial for member in members])
        for member in members:
            if together:
                self._let_start(population.cohort, member.trial, member.configuration)
            elif population.cohort.apart is not None or len(members) == 1:
                reason = self._reason(error)
                yield Ended(member.trial.number, State.FAILED, member.epoch, member.step, reason)
            else:
                self._cohorts.apart.add(member.trial.number)
                self._let_start(population.cohort, member.trial, member.configuration)

    def _let_start(self, cohort: Cohort, trial: Trial, configuration: Configuration) -> None:
        """Put a trial among those that wait for a place."""
        self._waiting.setdefault(self._cohorts.own(cohort, trial), {})[trial.number] = (trial, configuration)

    def _is_spared(self, error: Exception, trials: Sequence[Trial]) -> bool:
        """Return whether trials that ran out of memory may try again: it may have been others that held it.

        All others then start again later. The oldest trial's population trains next, so it has the memory for itself
        until that trial ends: some trial ends between two times that others were in the way. For what lay about
        uncollected, a trial is spared once.
        """
        if not ran_out_of_memory(error):
            return False
        numbers = {trial.number for trial in trials}
        spared = self._make_room() or not numbers <= self._spared
        self._spared |= numbers
        return spared

    def _make_room(self) -> bool:
        """Let all members start again later, and return whether there were any."""
        members = [(cohort, each) for cohort, population in self._populations.items() for each in population.members]
        for cohort, member in members:
            self._let_start(cohort, member.trial, member.configuration)
        for population in self._populations.values():
            population.disband()
        self._populations = {}
        self._lacked_memory = True
        return bool(members)

    def _clear_up(self) -> None:
        """Give back what a training that ran out of memory left behind, in circles that nobody refers to."""
        if self._lacked_memory:
            gc.collect()
            self._lacked_memory = False

    def _oldest(self, cohort: Cohort) -> int:
        population = self._populations.get(cohort)
        numbers: list[int] = [member.trial.number for member in population.members] if population else []
        return min(numbers + list(self._waiting.get(cohort, {})))

    def _keep_alone(self, found: tuple[tuple[Trial, str], ...]) -> None:
        """Take it as known which networks train alone: who finds it out starts its members again."""
        for trial, reason in found:
            with suppress(Exception):  # whoever has that network finds out too, and fails
                _, cohort = self._tried(trial)
                self._cohorts.train_alone(cohort, reason)

    def _failed(self, number: int, error: Exception) -> Ended:
        return Ended(number, State.FAILED, 0, 0, self._reason(error))

    def _reason(self, error: Exception) -> str:
        return named(in_words(error), error, self.limits.memory)


def _feed(split: Parts, backend: Backend) -> Feed:
    if isinstance(split, Items):
        from tunelab.training.item_feed import ItemFeed  # imports torch

        return ItemFeed(split, backend)
    if split.targets == "none":
        return Arrays({"": (backend.asarray(split.x_train), backend.asarray(split.y_train))})
    train = (backend.asarray(split.x_train), backend.asarray(split.y_train))
    validation = (backend.asarray(split.x_validation), backend.asarray(split.y_validation))
    test = (backend.asarray(split.x_test), backend.asarray(split.y_test)) if split.has_test else None
    return Arrays({"train_": train, "val_": validation}, test)


def _in_order(ended: Sequence[Ended]) -> tuple[Ended, ...]:
    """Return the ends of a round as they are told, whatever was done first: one that takes over does it otherwise."""
    return tuple(sorted(ended, key=lambda each: each.trial))
