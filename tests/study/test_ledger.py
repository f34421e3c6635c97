"""What is known of every trial so far."""

import pytest

from tunelab.study.ledger import Ledger
from tunelab.trial import Report, State, Trial


def ledger(*, maximize: bool = False) -> Ledger:
    made = Ledger("study-1", "loss", maximize=maximize)
    for number in range(4):
        made.add(Trial(number, number, {}))
    return made


def report(number: int, epoch: int, loss: float) -> Report:
    return Report(number, epoch, 10 * epoch, {"loss": loss, "lr": 0.1})


def finish(made: Ledger, number: int, loss: float) -> None:
    made.begin(number)
    made.report(report(number, 1, loss))
    made.end(number, State.COMPLETE, None)


def test_a_trial_begins_once() -> None:
    made = ledger()
    assert made.begin(1) == Trial(1, 1, {})
    assert made.begin(1) is None
    assert made.begin(9) is None


def test_an_epoch_that_comes_again_is_no_news() -> None:
    made = ledger()
    assert made.report(report(0, 1, 3.0))
    assert made.report(report(0, 2, 2.0))
    assert not made.report(report(0, 1, 3.0))
    assert not made.report(report(0, 2, 9.0))
    assert made.report(report(0, 3, 1.0))
    result = made.end(0, State.COMPLETE, None)
    assert result is not None
    assert result.curves["loss"].values == (3.0, 2.0, 1.0)
    assert result.curves["loss"].epochs == (1, 2, 3)
    assert result.value == 1.0
    assert result.metrics == {"loss": 1.0, "lr": 0.1}


def test_a_trial_that_ended_is_not_heard_again() -> None:
    made = ledger()
    assert made.end(0, State.PRUNED, "late") is not None
    assert not made.report(report(0, 1, 1.0))
    assert made.end(0, State.COMPLETE, None) is None
    assert made.results[0].state is State.PRUNED


@pytest.mark.parametrize("state", [State.PRUNED, State.DIVERGED, State.FAILED, State.INTERRUPTED])
def test_only_a_complete_trial_has_a_value(state: State) -> None:
    made = ledger()
    made.report(report(0, 1, 1.0))
    result = made.end(0, state, "why")
    assert result is not None
    assert (result.value, result.reason, result.curves["loss"].values) == (None, "why", (1.0,))
    assert made.best is None


@pytest.mark.parametrize(("maximize", "best"), [(False, 1), (True, 0)])
def test_the_best_is_the_lowest_or_the_highest_and_of_equals_the_first(maximize: bool, best: int) -> None:
    made = ledger(maximize=maximize)
    for number, loss in enumerate((3.0, 1.0, 1.0, 3.0)):
        finish(made, number, loss)
    assert made.best is made.results[best]


def test_a_snapshot_counts_what_is() -> None:
    made = ledger()
    made.begin(0)
    made.begin(1)
    made.end(0, State.DIVERGED, "nan")
    made.count(members=3, capacity=4, seconds=1.0)
    made.count(members=1, capacity=4, seconds=3.0)
    seen = made.snapshot(10)
    assert (seen.study, seen.total, seen.running, seen.waiting, seen.done) == ("study-1", 10, 1, 2, 1)
    assert seen.counts == {state: int(state is State.DIVERGED) for state in State}
    assert seen.fullness == pytest.approx(6 / 16)
    assert seen.sharing == pytest.approx(6 / 4)
    assert seen.rate == pytest.approx(1 / seen.seconds)


def test_a_snapshot_of_nothing_divides_by_nothing() -> None:
    seen = Ledger("study-1", "loss", maximize=True).snapshot(None)
    assert (seen.fullness, seen.sharing, seen.done, seen.best, seen.total) == (0.0, 0.0, 0, None, None)


def test_an_end_that_could_not_be_stored_is_taken_back() -> None:
    made = ledger()
    finish(made, 0, 3.0)
    finish(made, 1, 2.0)
    finish(made, 2, 1.0)
    made.take_back(2, "the storage is away")
    assert made.best is made.results[1]
    taken = made.results[2]
    assert (taken.state, taken.value, taken.reason) == (State.INTERRUPTED, None, "the storage is away")
    assert taken.metrics == {"loss": 1.0, "lr": 0.1}
    counts = made.snapshot(None).counts
    assert (counts[State.COMPLETE], counts[State.INTERRUPTED]) == (2, 1)
