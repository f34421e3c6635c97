"""Several workers by turns: the same curves as one, in an order that no clock decides, whoever dies."""

import gc
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from laws import functions
from laws.runs import Run, drawn, follow, job, train, varied

from tunelab.contracts import Executor
from tunelab.data.split import split
from tunelab.errors import WorkerError, WorkerHung
from tunelab.executors.inline import InlineExecutor
from tunelab.executors.process import ProcessExecutor
from tunelab.executors.team import TeamExecutor
from tunelab.experiments import Experiment
from tunelab.models import Function
from tunelab.optimizers import SGD
from tunelab.space import Choice, Float
from tunelab.training.time_limit import without_hung
from tunelab.training.trainer import Job
from tunelab.trial import Finish, Orders, Progress, Trial

MADE = varied(batch_size=Choice(16, 31), epochs=Choice(1, 2, 3))
GIVEN = drawn(MADE, 12, seed=1)
ORDERS = {
    0: Orders(tuple(GIVEN[:3])),
    1: Orders(tuple(GIVEN[3:6])),
    4: Orders(tuple(GIVEN[6:]), stop=(1, 4)),
}


def inline() -> InlineExecutor:
    return InlineExecutor(job(MADE))


def curves(run: Run) -> dict[int, Any]:
    return {number: (outcome.end, outcome.curve) for number, outcome in run.outcomes.items()}


def without_place(progress: Progress) -> Any:
    return progress.began, progress.reports, [(e.trial, e.state, e.epoch, e.step) for e in progress.ended]


def test_whoever_trains_a_trial_its_curve_is_the_same() -> None:
    with inline() as alone:
        expected = curves(follow(alone, {0: Orders(tuple(GIVEN))}))
    with TeamExecutor(inline, 3) as team:
        found = curves(
            follow(team, {0: Orders(tuple(GIVEN[:5])), 1: Orders(tuple(GIVEN[5:7])), 5: Orders(tuple(GIVEN[7:]))})
        )
    assert found == expected


def test_processes_take_turns_as_workers_in_this_process_do() -> None:
    with TeamExecutor(inline, 2) as here, TeamExecutor(lambda: ProcessExecutor(job(MADE)), 2) as there:
        one, other = follow(here, ORDERS), follow(there, ORDERS)
    assert list(map(without_place, one.progress)) == list(map(without_place, other.progress))


class Worth(Executor):
    """Trains nothing: its rounds are worth what is given, and say whose they are."""

    def __init__(self, name: str, worth: Sequence[float]) -> None:
        self._rounds = iter([Progress(notes=(name,), work=work) for work in worth])

    def send(self, orders: Orders) -> None:
        """Take no notice."""

    def receive(self) -> Progress:
        return next(self._rounds)

    def close(self) -> None:
        """There is nothing to end."""


@pytest.mark.parametrize(
    ("a", "b", "order"),
    [
        ([1] * 9, [1] * 9, "abababab"),
        ([1] * 9, [3] * 9, "abaabaaab"),
        ([2, 12, 1, 1, 1], [5] * 9, "ababbabaa"),
        ([0] * 9, [4] * 9, "abababab"),  # who had nothing to train has waited, and owes no work
        ([3, 0, 0, 0], [1] * 9, "abbbababab"),  # and is not asked again before who trains, however often that was asked
    ],
)
def test_the_next_answer_is_of_who_has_done_the_least(a: Sequence[float], b: Sequence[float], order: str) -> None:
    workers = iter([Worth("a", a), Worth("b", b)])
    with TeamExecutor(lambda: next(workers), 2) as team:
        for _ in range(4):
            team.send(Orders())
        found = []
        for _ in order:
            found += team.receive().notes
            assert sorted(seat.holds for seat in team._seats) == [1, 2]
            team.send(Orders())
            assert [seat.holds for seat in team._seats] == [2, 2], "who has answered gets the next orders"
    assert "".join(found) == order


def test_a_trial_is_stopped_by_the_worker_that_has_it() -> None:
    long = varied(epochs=50)
    given = drawn(long, 4, seed=2)
    with TeamExecutor(lambda: InlineExecutor(job(long)), 2) as team:
        run = follow(team, {0: Orders(tuple(given[:2])), 1: Orders(tuple(given[2:])), 2: Orders(stop=(0, 1, 2, 3))})
    assert {str(outcome.ended.state) for outcome in run.outcomes.values() if outcome.ended} == {"pruned"}
    assert len(run.outcomes) == 4


class Killed(ProcessExecutor):
    """Kills its worker before it answers a round for the n-th time, counted over all of them."""

    rounds = 0
    at: tuple[int, ...] = ()

    def receive(self) -> Progress:
        Killed.rounds += 1
        if Killed.rounds in self.at:
            os.kill(self._worker.pid, signal.SIGKILL)
            self._worker.wait()
        return super().receive()


@pytest.mark.parametrize("at", [(1,), (4,), (3, 4, 9), (2, 6, 7, 12)])
def test_a_worker_that_is_killed_costs_nothing_but_time(at: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Killed, "rounds", 0)
    monkeypatch.setattr(Killed, "at", at)
    orders = {0: Orders(tuple(GIVEN[:6])), 1: Orders(tuple(GIVEN[6:]))}
    with inline() as alone:
        expected = curves(follow(alone, {0: Orders(tuple(GIVEN))}))
    with TeamExecutor(lambda: Killed(job(MADE)), 2) as team:
        run = follow(team, orders)
    assert Killed.rounds > max(at)
    assert curves(run) == expected  # `Outcome.add` holds that an epoch reported twice is the same both times


def test_a_worker_that_always_dies_ends_the_study_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Killed, "rounds", 0)
    monkeypatch.setattr(Killed, "at", tuple(range(1, 100)))
    with TeamExecutor(lambda: Killed(job(MADE)), 1) as team:
        team.send(Orders(tuple(GIVEN[:2])))
        with pytest.raises(WorkerError, match=r"code -9.*died 5 times in a row with these trials: 0, 1\. .*--work"):
            team.receive()


class Hanging(InlineExecutor):
    """Is ended while it admits one of the first seven trials, each time one that it has not been told of."""

    def receive(self) -> Progress:
        orders, _ = without_hung(self._orders[0])
        for trial in orders.start:
            if trial.number < 7:
                raise WorkerHung("it was ended", (trial.number,), f"{trial.number} hung")
        return super().receive()


def test_more_trials_may_hang_in_one_round_than_a_worker_may_die_for_nothing() -> None:
    with inline() as alone:
        expected = curves(follow(alone, {0: Orders(tuple(GIVEN))}))
    with TeamExecutor(lambda: Hanging(job(MADE)), 1) as team:
        run = follow(team, {0: Orders(tuple(GIVEN))})
    for number in range(7):
        assert run[number].end == ("failed", 0, 0, f"{number} hung")
    found = curves(run)
    assert {n: found[n] for n in range(7, 12)} == {n: expected[n] for n in range(7, 12)}


@pytest.mark.parametrize("at", [(), (4,), (4, 5)])
def test_the_last_order_is_carried_out_whoever_dies(at: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Killed, "rounds", 0)
    monkeypatch.setattr(Killed, "at", at)
    made = varied(test=0.2)
    rows = split(made.data.load(), test=0.2)
    (trial,) = drawn(made, 1)
    weights = last_weights(made, trial)
    with TeamExecutor(lambda: Killed(Job(made, rows)), 2) as team:
        for orders in (Orders(), Orders(), Orders(), Orders(finish=Finish(trial, weights, export=False))):
            team.send(orders)
        found = [team.receive().finished for _ in range(4)]
    assert found[:3] == [None] * 3
    assert found[3] is not None
    assert set(found[3].metrics) == {"test_loss", "test_accuracy"}


def last_weights(made: Experiment, trial: Trial) -> Mapping[str, np.ndarray]:
    ended = train(made, [trial])[trial.number].ended
    assert ended is not None
    assert ended.weights is not None
    return ended.weights


def test_whoever_takes_over_answers_as_if_nobody_had_died() -> None:
    """Round for round, where workers are killed, and where the first rounds are known and nobody trains them."""
    with TeamExecutor(inline, 2) as team:
        expected = follow(team, ORDERS).progress
    with TeamExecutor(inline, 2) as team:
        found = list(_with_deaths(team, deaths={2, 5, 6}))
    assert list(map(without_place, found)) == list(map(without_place, expected[: len(found)]))
    made = []

    def counted() -> InlineExecutor:
        made.append(inline())
        return made[-1]

    with TeamExecutor(counted, 2) as team:
        again = list(_passed_over(team, expected[:7], len(expected)))
    assert list(map(without_place, again)) == list(map(without_place, expected[7:]))
    assert len(made) == 2


@pytest.mark.parametrize("fault", [functions.raises_below_half, functions.lacks_memory_below_half])
def test_whoever_takes_over_knows_who_began_again_and_who_trains_apart(
    fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "collect", int)  # nothing lies about here, and it takes most of the time
    made = varied(
        data=None,
        model=Function(f=fault, gradient=functions.slope, start=(1.0,)),
        optimizer=Choice(SGD.search(lr=Float(0.01, 0.3, log=True))),
        schedule="constant",
        steps_per_epoch=2,
        epochs=Choice(2, 4),
        dtype="float64",
        clip_norm=None,
    )
    given = drawn(made, 12, seed=3)
    orders = {0: Orders(tuple(given[:5])), 1: Orders(tuple(given[5:10])), 9: Orders(tuple(given[10:]), stop=(2, 7, 5))}

    def team() -> TeamExecutor:
        return TeamExecutor(lambda: InlineExecutor(job(made, 4)), 2)

    with team() as whole:
        expected = follow(whole, orders).progress
    assert any(each.again for each in expected)
    assert any(each.apart for each in expected)
    for turn in range(len(expected)):
        with team() as dying:
            found = list(_with_deaths(dying, {turn}, orders, len(expected)))
        assert list(map(without_seconds, found)) == list(map(without_seconds, expected)), f"died in turn {turn}"
        with team() as resumed:
            again = list(_passed_over(resumed, expected[:turn], len(expected), orders))
        assert list(map(without_seconds, again)) == list(map(without_seconds, expected[turn:])), f"cut at {turn}"


def without_seconds(progress: Progress) -> Any:
    ended = tuple(replace(each, weights=None) for each in progress.ended)
    return replace(progress, ended=ended, seconds=0.0)


class HangingTogether(InlineExecutor):
    """Is ended in its third round, in which three of its trials train together."""

    rounds = 0

    def receive(self) -> Progress:
        self.rounds += 1
        if self.rounds == 3:
            raise WorkerHung("it was ended", (0, 1, 2), "one of three hung")
        return super().receive()


def test_those_that_hung_together_are_apart_for_whoever_takes_over_later() -> None:
    made = varied(epochs=5)
    long = {0: Orders(tuple(drawn(made, 4, seed=1)))}
    workers = iter([HangingTogether(job(made, 4)), InlineExecutor(job(made, 4))])
    with TeamExecutor(lambda: next(workers), 1) as hung:
        expected = follow(hung, long).progress
    assert [each.apart for each in expected[:4]] == [(), (), (0, 1, 2), ()]
    for turn in (3, 5, 8):
        with TeamExecutor(lambda: InlineExecutor(job(made, 4)), 1) as resumed:
            again = list(_passed_over(resumed, expected[:turn], len(expected), long))
        assert list(map(without_seconds, again)) == list(map(without_seconds, expected[turn:])), f"cut at {turn}"


def _with_deaths(
    team: TeamExecutor, deaths: set[int], orders: Mapping[int, Orders] = ORDERS, rounds: int = 14
) -> Iterator[Progress]:
    for turn in range(rounds):
        team.send(orders.get(turn, Orders()))
        if turn in deaths:
            for seat in team._seats:
                seat.close()
        yield team.receive()


def _passed_over(
    team: TeamExecutor, known: Sequence[Progress], rounds: int, orders: Mapping[int, Orders] = ORDERS
) -> Iterator[Progress]:
    for turn in range(rounds):
        team.send(orders.get(turn, Orders()))
        if turn < len(known):
            assert all(seat._executor is None for seat in team._seats), "nobody is started before there is work"
            team.pass_over(known[turn])
        else:
            yield team.receive()
