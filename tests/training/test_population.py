"""The one loop: clipping inside a member, decay after it, and members that come and go without touching the others."""

from typing import Any

import numpy as np
import pytest

from training.rig import member, network, population
from tunelab.models import MLP, SoftmaxRegression
from tunelab.optimizers import SGD, Adam, Momentum
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.population import Population
from tunelab.trial import Ended, Report, State

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.integers(0, 4, 20)
NET = network(MLP(width=5), inputs=3, outputs=4)


def made(*members: Member, bound: float = 1e8) -> Population:
    return population(list(members), X, Y, batch_size=8, bound=bound)


def one(number: int, lr: float = 0.1, *, net: LayerNetwork = NET, rule: Any = SGD, **training: Any) -> Member:
    return member(number, rule(lr=lr), steps=3, net=net, **training)


def theta(group: Population) -> dict[int, np.ndarray]:
    group._unpack()
    return {m.trial.number: m.theta.copy() for m in group.members}


def moved(group: Population) -> dict[int, np.ndarray]:
    """Return how far one step takes each member, by trial."""
    start = theta(group)
    group._batches.shuffle(group.members, 3)
    group._prepare(1)
    group._step(0, 0)
    return {number: start[number] - after for number, after in theta(group).items()}


def test_a_gradient_is_scaled_down_to_a_members_own_norm() -> None:
    lr = 1.0
    plain = moved(made(one(0, lr), one(1, lr), one(2, lr), one(3, lr)))
    clipped = moved(made(one(0, lr, clip_norm=0.1), one(1, lr, clip_norm=1e6), one(2, lr), one(3, lr, clip_norm=0.2)))
    norms = [np.linalg.norm(clipped[number]) for number in (0, 3)]
    assert norms == pytest.approx([0.1, 0.2], rel=1e-4)
    for number in (1, 2):
        assert np.array_equal(clipped[number], plain[number]), "gradients within their norm keep every bit"
    norm = np.linalg.norm(plain[0])
    assert clipped[0] == pytest.approx(plain[0] * 0.1 / (norm + 1e-6), rel=1e-9, abs=1e-15)


def test_decay_comes_after_clipping() -> None:
    start = theta(made(one(0, lr=1.0)))[0]
    before = moved(made(one(0, lr=1.0)))[0]
    step = moved(made(one(0, lr=1.0, clip_norm=1e-3, weight_decay=0.5)))[0]
    clipped = before * 1e-3 / (np.linalg.norm(before) + 1e-6)
    assert step == pytest.approx(clipped + 0.5 * start, rel=1e-9, abs=1e-15)


def test_an_epoch_reports_each_member_once_with_every_metric() -> None:
    group = made(one(0), one(1, rule=Adam))
    reports = list(group.epoch())
    assert {report.trial for report in reports if isinstance(report, Report)} == {0, 1}
    for report in reports:
        assert isinstance(report, Report)
        assert (report.epoch, report.step) == (1, 3)
        assert set(report.metrics) == {"train_loss", "train_accuracy", "lr"}
        assert report.metrics["lr"] == 0.1


def test_admission_and_release_move_no_bit_of_those_that_stay() -> None:
    members = [one(n, rule=(Momentum, Adam, SGD)[n % 3], epochs=9) for n in range(6)]
    group = made(*members[:4])
    list(group.epoch())
    before = theta(group)
    kept = {m.trial.number: {k: v.copy() for k, v in m.slots.items()} for m in group.members}
    group.admit(members[4:])
    assert group.release(lambda m: m.trial.number == 2) == [members[2]]
    after = theta(group)
    assert sorted(after) == [0, 1, 3, 4, 5]
    for number in (0, 1, 3):
        assert np.array_equal(before[number], after[number])
        for name, values in kept[number].items():
            assert np.array_equal(values, members[number].slots[name])


def test_those_released_hold_what_they_had_learned() -> None:
    group = made(one(0, epochs=9), one(1, epochs=9))
    start = theta(group)
    list(group.epoch())
    gone = group.release(lambda m: m.trial.number == 0)[0]
    assert not np.array_equal(gone.theta, start[0])
    held = gone.theta.copy()
    list(group.epoch())
    assert np.array_equal(gone.theta, held), "the population has let go of its memory"


def test_members_may_all_leave_and_others_come() -> None:
    group = made(one(0), one(1))
    group.release(lambda m: True)
    assert group.members == []
    group.admit([one(2)])
    assert [event.trial for event in group.epoch()] == [2]


def test_a_member_that_diverges_leaves_before_the_next_step_and_the_rest_go_on() -> None:
    group = made(one(0), one(1, lr=1e200), one(2))
    alone = made(one(0), one(2))
    events = list(group.epoch())
    ended = [event for event in events if isinstance(event, Ended)]
    assert [(e.trial, e.state, e.epoch, e.step) for e in ended] == [(1, State.DIVERGED, 0, 2)]
    assert isinstance(events[0], Ended), "its end is told before the others' epoch is over"
    assert events[1:] == list(alone.epoch())


@pytest.mark.parametrize(("bound", "diverges"), [(1.38, True), (1.39, False)])
def test_a_loss_above_the_bound_is_divergence(bound: float, diverges: bool) -> None:
    net = network(SoftmaxRegression(), inputs=3, outputs=4)  # starts at zero, so its loss is log 4 = 1.386
    (event,) = list(made(one(0, lr=1e-9, net=net), bound=bound).epoch())
    assert isinstance(event, Ended) == diverges


def test_full_batches_are_shared_by_all_members() -> None:
    group = population([one(0), one(1)], X, Y, batch_size=20)
    x, _ = group._batches.take(0)
    assert x.shape == (1, 20, 3)
    assert len(list(group.epoch())) == 2
