"""A population: members that train together in one vectorised loop. The only training loop there is."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from tunelab.contracts import Array, Backend, Network, Passes, Seats
from tunelab.errors import TunelabError
from tunelab.training.feed import Feed
from tunelab.training.handover import hand_over
from tunelab.training.member import Member, side_by_side
from tunelab.training.plan import STEPS_AT_ONCE, plan
from tunelab.training.rules import RuleGroup, groups_of, sorted_by_rule
from tunelab.trial import Ended, Report, State

OVERHEAD = 750_000
"""What a step takes beside arithmetic, in parameters times rows: 110 µs and 0.15 ns, in studies of digits on NumPy."""


@dataclass(frozen=True)
class Cohort:
    """What trials must agree on to train together.

    Attributes:
        network: layers and loss.
        batch_size: rows a step; None for the batches that the data itself comes in.
        steps: steps of one epoch.
        apart: a trial's number, where it must train alone (see `Trainer`).
    """

    network: Network
    batch_size: int | None
    steps: int
    apart: int | None = None

    def work(self, members: int) -> float:
        """Return what an epoch of so many members takes, by count: in parameters times rows that pass through them."""
        return float(self.steps * (OVERHEAD + members * self.network.size * (self.batch_size or 1)))


class Population:
    """Members of one cohort, packed into arrays with a leading member axis `P`.

    Args:
        cohort: what they agree on.
        feed: what they train on.
        backend: what computes.
        diverged_above: a loss above this ends a member.
    """

    def __init__(self, cohort: Cohort, feed: Feed, backend: Backend, diverged_above: float) -> None:
        self.cohort = cohort
        self.members: list[Member] = []
        self._feed = feed
        self._backend = backend
        self._bound = diverged_above
        self._batches = feed.batches(cohort.batch_size, backend)

    def admit(self, members: Sequence[Member]) -> None:
        """Give new members a place."""
        if members:
            self._unpack()
            self._pack([*self.members, *members])

    def release(self, leaving: Callable[[Member], bool]) -> list[Member]:
        """Take members out and return them; the others' state does not change."""
        gone = [member for member in self.members if leaving(member)]
        if gone:
            self._unpack()
            self._pack([member for member in self.members if not leaving(member)])
        return gone

    def disband(self) -> None:
        """Let go of all members as they are, and of what was allocated for them: a rule's group refers to this."""
        self.members = []
        self._groups: list[tuple[slice, RuleGroup]] = []

    def epoch(self) -> Iterator[Report | Ended]:
        """Train every member for one epoch; yield the ends of those that diverge, and a report of each of the others.

        A member that diverges leaves at once, within the epoch.
        """
        with np.errstate(all="ignore"):
            yield from self._train()
            yield from self._evaluate()

    def _train(self) -> Iterator[Ended]:
        for member in self.members:
            member.begin_epoch()
        self._batches.shuffle(self.members, self.cohort.steps)
        step = 0
        while step < self.cohort.steps and self.members:
            yield from self._hand_over()
            if not self.members:
                return
            ahead = min(STEPS_AT_ONCE, self.cohort.steps - step, *self._until_changes())
            lr = self._prepare(ahead)
            taken, rows, total = 0, 0, self._backend.zeros((len(self.members),))
            while taken < ahead:
                losses = self._step(step + taken, taken)
                taken += 1
                if self._feed.tallies:
                    rows += self._batch[0].shape[1]
                    total += losses * self._batch[0].shape[1]
                if not self._healthy(losses).all():
                    break
            step += taken
            for row, member in enumerate(self.members):
                member.step += taken
                member.lr = float(lr[taken - 1, row, 0])
                member.rows_seen += rows
                member.loss_seen += float(total[row])
            yield from self._end_diverged(losses)
        for _, group in self._groups if self.members else ():
            group.flush()

    def _prepare(self, steps: int) -> np.ndarray:
        """Work out the scalars of the next steps; return their learning rates `(S, P, 1)`."""
        ahead = plan(self.members, [where for where, _ in self._groups], steps, self._backend)
        for (_, group), scalars in zip(self._groups, ahead.scalars, strict=True):
            group.prepare(scalars, steps)
        return ahead.lr

    def _step(self, step: int, offset: int) -> Array:
        self._batch = self._batches.take(step)
        self._noise = {member: member.noise.bit_generator.state for member in self._replaying}
        losses = self._passes.gradient(*self._batch)
        for _, group in self._groups:
            group.update(offset)
        return losses

    def _gradient_again(self, where: slice) -> None:
        """Compute the gradient of a group's members once more, for the same rows and the same noise.

        Buffers stay as they are: what a batch norm runs along is renewed once a step, at the parameters it begins with.
        """
        members = self.members[where]
        for member in members:
            member.noise.bit_generator.state = self._noise[member]
        kept = {name: self._backend.copy(rows[where]) for name, rows in self._buffers.items()}
        x, y = (part if len(part) == 1 else part[where] for part in self._batch)
        self._passes_again(where).gradient(x, y)
        for name, rows in kept.items():
            self._buffers[name][where] = rows

    def _passes_again(self, where: slice) -> Passes:
        """Return the passes of one group; those of everybody where it is the only one."""
        if len(self._groups) == 1:
            return self._passes
        if where.start not in self._group_passes:
            self._group_passes[where.start] = self._passes_of(where)
        return self._group_passes[where.start]

    def _until_changes(self) -> list[int]:
        """Return how many steps it is to each member's next change of optimizer, where there is one."""
        return [member.next_change - member.step for member in self.members if member.next_change is not None]

    def _hand_over(self) -> Iterator[Ended]:
        """Let the next optimizer take over where it is due; yield the ends of the members that it fails for."""
        due = [member for member in self.members if member.step in member.changes]
        if not due:
            return
        rows = {member: row for row, member in enumerate(self.members)}
        self._unpack()
        failed = {}
        for member in due:
            try:
                hand_over(member, self._backend)
            except TunelabError as error:
                failed[member] = str(error)
        self._pack([member for member in self.members if member not in failed])
        self._batches.keep([rows[member] for member in self.members])
        for member, reason in failed.items():
            yield Ended(member.trial.number, State.FAILED, member.epoch, member.step, reason)

    def _end_diverged(self, losses: Array) -> Iterator[Ended]:
        """Let go of the members whose last training loss was out of bounds."""
        bad = {
            member.trial.number: float(loss)
            for member, loss, healthy in zip(self.members, losses, self._healthy(losses), strict=True)
            if not healthy
        }
        if bad:
            self._batches.keep([row for row, member in enumerate(self.members) if member.trial.number not in bad])
        for member in self.release(lambda member: member.trial.number in bad):
            yield self._diverged(member, "training loss", bad[member.trial.number])

    def _evaluate(self) -> Iterator[Report | Ended]:
        if not self.members:
            return
        columns: dict[str, np.ndarray] = {}
        if self._feed.tallies:
            columns["train_loss"] = np.array([member.loss_seen / member.rows_seen for member in self.members])
        with self._averaged():
            for prefix, parts in self._feed.measured().items():
                for name, values in self._passes.measure(parts).items():
                    columns[prefix + name] = values
        columns["lr"] = np.array([member.lr for member in self.members])
        lost = {}
        for row, member in enumerate(self.members):
            member.epoch += 1
            metrics = {name: float(values[row]) for name, values in columns.items()}
            wrong = [name for name, value in metrics.items() if not self._sound(name, value)]
            if wrong:
                lost[member.trial.number] = (wrong[0], metrics[wrong[0]])
            else:
                member.memory = member.configuration.schedule.observe(member.memory, metrics)
                yield Report(member.trial.number, member.epoch, member.step, metrics)
        for member in self.release(lambda member: member.trial.number in lost):
            yield self._diverged(member, *lost[member.trial.number])

    def _healthy(self, losses: Array) -> Array:
        """Return whether each training loss is finite and within the bound, `(P,)`."""
        return self._backend.xp.isfinite(losses) & (losses <= self._bound)

    def _sound(self, name: str, value: float) -> bool:
        """Return whether a metric is finite and, if it is a loss, within the bound."""
        return math.isfinite(value) and not (name.endswith("loss") and value > self._bound)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the parameters to evaluate in the place of those to train, where a rule tells them apart."""
        trained = [group.to_evaluation() for _, group in self._groups]
        for (where, _), rows in zip(self._groups, trained, strict=True):
            for row, member in enumerate(self.members[where], start=where.start):
                member.result = None if rows is None else self._backend.copy(self._theta[row])
        yield
        for (_, group), rows in zip(self._groups, trained, strict=True):
            group.to_training(rows)

    def _diverged(self, member: Member, metric: str, value: float) -> Ended:
        epoch = -(-member.step // self.cohort.steps)
        reason = f"{metric} was {value:.3g} at step {member.step} (epoch {epoch})"
        return Ended(member.trial.number, State.DIVERGED, member.epoch, member.step, reason)

    def _pack(self, members: Sequence[Member]) -> None:
        """Lay the members' state into rows, those of one rule side by side; each member's arrays are its rows."""
        backend = self._backend
        if not members:
            self.disband()
            return
        self.members = sorted_by_rule(members)
        self._theta = side_by_side([member.theta for member in self.members], backend)
        self._grad = backend.empty(self._theta.shape)
        names = self.members[0].buffers
        self._buffers = {
            name: side_by_side([member.buffers[name] for member in self.members], backend) for name in names
        }
        for row, member in enumerate(self.members):
            member.theta = self._theta[row]
            member.buffers = {name: rows[row] for name, rows in self._buffers.items()}
        self._groups = [(where, self._group(where)) for where in groups_of(self.members)]
        self._passes = self._passes_of(slice(None))
        self._group_passes: dict[int, Passes] = {}
        if len(self.members) == 1:
            self._groups[0][1].follow(self._passes)
        self._replaying = [m for m in self.members if any(level.second_gradient for level in m.optimizer.levels())]

    def _group(self, where: slice) -> RuleGroup:
        again = partial(self._gradient_again, where)
        return RuleGroup(self.members[where], self._theta[where], self._grad[where], self._backend, again)

    def _passes_of(self, where: slice) -> Passes:
        members = self.members[where]
        seats = Seats(
            theta=self._theta[where],
            grad=self._grad[where],
            buffers={name: rows[where] for name, rows in self._buffers.items()},
            rates=_rates(members, self._backend),
            streams=lambda: [member.noise for member in members],
            seeds=[member.trial.seed for member in members],
        )
        return self.cohort.network.passes(self._backend, seats)

    def _unpack(self) -> None:
        """Give each member arrays of its own again; a lone one's are."""
        for row, member in enumerate(self.members if len(self.members) > 1 else ()):
            member.theta = self._backend.copy(self._theta[row])
            member.buffers = {name: self._backend.copy(rows[row]) for name, rows in self._buffers.items()}
        for where, group in self._groups if self.members else ():
            group.give_back(self.members[where])


def _rates(members: Sequence[Member], backend: Backend) -> list[Array]:
    """Return each number that may differ between members, `(P, 1, 1)`."""
    columns = zip(*(member.network.rates() for member in members), strict=True)
    return [backend.asarray(np.array(column, np.float64)[:, None, None]) for column in columns]
