"""One optimizer hands over to another: what is carried, what begins anew, and that neighbours do not notice."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from training.rig import DOUBLE, member, network, population
from tunelab.contracts import Array, Optimizer
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import (
    EMA,
    SAM,
    SGD,
    Adam,
    AdamW,
    ClipNorm,
    Lion,
    Lookahead,
    Momentum,
    Nesterov,
    RMSprop,
    Sophia,
    Switch,
)
from tunelab.optimizers.projected_rate import ProjectedRate
from tunelab.schedules import Linear
from tunelab.training.handover import hand_over, inherited
from tunelab.training.member import Member
from tunelab.trial import Ended, Report, State

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(26, 5)), RNG.integers(0, 3, 26)
NET = network(MLP(width=6, activation="tanh", dropout=0.3), inputs=5, outputs=3)
STEPS = 7
"""Of one epoch: 26 rows by 4."""


def trained(
    optimizers: Sequence[tuple[int, Optimizer]], epochs: int = 3, **training: Any
) -> tuple[dict[int, Member], list[Report | Ended]]:
    """Return the members by number, and all that was told of them."""
    made = [member(n, one, steps=STEPS, net=NET, epochs=epochs, **training) for n, one in optimizers]
    group = population(made, X, Y, batch_size=4)
    told: list[Report | Ended] = []
    for _ in range(epochs):
        told += group.epoch() if group.members else ()
    return {one.trial.number: one for one in group.release(lambda _: True)}, told


def of(told: Sequence[Report | Ended], number: int) -> list[Report | Ended]:
    return [one for one in told if one.trial == number]


MANY = [
    Switch(first=Adam(), second=SGD(lr=0.1), at=0.1),  # within the first epoch
    Switch(first=Adam(), second=SGD(lr=0.1), at=1 / 3),  # between two epochs
    Switch(first=Adam(), second=Momentum(), at=0.5),
    Switch(first=Adam(), second=AdamW(), at=0.5),
    Switch(first=Adam(lr=0.01), second=SGD(), at=0.6, rate="swats"),
    Switch(first=SAM(inner=SGD(lr=0.1)), second=SGD(lr=0.2), at=0.45),
    Switch(first=Switch(first=Adam(), second=RMSprop(), at=0.2), second=Switch(second=Lion(), at=0.8), at=0.4),
    Lookahead(inner=Switch(first=Adam(), second=SGD(lr=0.1), at=0.3)),
    EMA(inner=Lookahead(inner=Switch(first=Adam(), second=Sophia(), at=0.7), every=3)),
    Adam(),
    SGD(lr=0.1),
    SAM(inner=SGD(lr=0.1)),
]


def assert_same(one: Member, other: Member) -> None:
    np.testing.assert_array_equal(one.theta, other.theta)
    assert one.slots.keys() == other.slots.keys()
    for name in one.slots:
        np.testing.assert_array_equal(one.slots[name], other.slots[name])
    assert (one.optimizer, one.began, one.lr) == (other.optimizer, other.began, other.lr)


@pytest.mark.parametrize("training", [{}, {"clip_norm": 0.5, "weight_decay": 0.01}], ids=["bare", "penalised"])
def test_members_that_hand_over_at_different_steps_equal_themselves_alone(training: dict[str, Any]) -> None:
    together, told = trained(list(enumerate(MANY)), **training)
    for number, optimizer in enumerate(MANY):
        alone, of_one = trained([(number, optimizer)], **training)
        assert_same(together[number], alone[number])
        assert of(told, number) == of_one
        assert len(of_one) == 3


def test_a_member_keeps_its_own_batch_order_when_it_changes_its_place() -> None:
    """SGD hands over to SGD of the same learning rate, and moves to another group in between: nothing changes."""

    class Other(SGD):
        """Sorts to another place than SGD."""

    class Another(SGD):
        """Sorts before it."""

    switches: list[tuple[int, Optimizer]] = [
        (n, Switch(first=SGD(lr=0.1), second=kind(lr=0.1), at=at))
        for n, (kind, at) in enumerate([(Other, 0.15), (Another, 0.5), (Other, 0.9), (SGD, 0.3)])
    ]
    plain, _ = trained([(n, SGD(lr=0.1)) for n in range(4)])
    found, _ = trained(switches)
    for number in plain:
        np.testing.assert_array_equal(found[number].theta, plain[number].theta)


def test_adam_hands_its_sums_to_adamw_bit_for_bit() -> None:
    switched, told = trained([(0, Switch(first=Adam(lr=0.02), second=AdamW(lr=0.02, weight_decay=0.0), at=0.4))])
    plain, wanted = trained([(0, Adam(lr=0.02))])
    np.testing.assert_array_equal(switched[0].theta, plain[0].theta)
    assert told == wanted
    assert switched[0].began == 0, "bias corrections go on"


def test_the_comparison_rejects_a_restart_without_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunelab.training.handover.inherited", lambda *_: None)
    switched, _ = trained([(0, Switch(first=Adam(lr=0.02), second=AdamW(lr=0.02, weight_decay=0.0), at=0.4))])
    plain, _ = trained([(0, Adam(lr=0.02))])
    assert np.abs(switched[0].theta - plain[0].theta).max() > 1e-6


def quadratic(optimizer: Optimizer, steps: int = 100, **fields: Any) -> Member:
    net = network(Quadratic(start=(1.0, -2.0, 0.5), curvature=(0.5, 3.5, 15.0)))  # f = sum of c x^2
    return member(0, optimizer, steps=steps, net=net, **{"epochs": 1} | fields)


def run(one: Member, steps: int = 100) -> list[Report | Ended]:
    group = population([one], np.zeros((steps, 1)), np.zeros(steps), batch_size=1)
    told = list(group.epoch())
    group.release(lambda _: True)
    return told


CURVATURE = np.array([1.0, 7.0, 30.0])
START = np.array([1.0, -2.0, 0.5])


class HandAdam:
    """Adam in a few lines."""

    def __init__(self, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.lr, self.betas, self.eps = lr, (beta1, beta2), eps
        self.m = self.v = np.zeros(3)
        self.t = 0

    def step(self, g: np.ndarray) -> np.ndarray:
        self.t += 1
        one, two = self.betas
        self.m, self.v = one * self.m + (1 - one) * g, two * self.v + (1 - two) * g * g
        corrected = np.sqrt(self.v / (1 - two**self.t)) + self.eps
        return -self.lr * (self.m / (1 - one**self.t)) / corrected


def by_hand(point: int, rate: Any, momentum: float = 0.0, total: int = 100, beta2: float = 0.999) -> np.ndarray:
    """Adam for `point` steps, then SGD; `rate` is its learning rate, or "swats" for Keskar & Socher's (Algorithm 1)."""
    w, adam, mean = START.copy(), HandAdam(0.01, beta2=beta2), 0.0
    for _ in range(point):
        g = CURVATURE * w
        p = adam.step(g)
        w = w + p
        if p @ g != 0:
            mean = beta2 * mean + (1 - beta2) * (p @ p) / -(p @ g)
    lr = mean / (1 - beta2**point) * (1 - momentum) if rate == "swats" else rate
    velocity = np.zeros(3)
    for _ in range(total - point):
        velocity = momentum * velocity + CURVATURE * w
        w = w - lr * velocity
    return w


def test_the_reference_is_of_the_gradient_that_a_member_sees() -> None:
    one = quadratic(SGD(lr=0.01), steps=1)
    run(one, 1)
    np.testing.assert_allclose(one.theta, START - 0.01 * CURVATURE * START, rtol=1e-15)


@pytest.mark.parametrize("point", [1, 30, 99])
def test_adam_then_sgd_with_its_own_rate_and_with_a_part_of_adams(point: int) -> None:
    at = point / 100
    own = quadratic(Switch(first=Adam(lr=0.01), second=SGD(lr=0.03), at=at))
    part = quadratic(Switch(first=Adam(lr=0.01), second=SGD(lr=0.03), at=at, rate=0.5))
    run(own)
    run(part)
    np.testing.assert_allclose(own.theta, by_hand(point, 0.03), rtol=1e-12)
    np.testing.assert_allclose(part.theta, by_hand(point, 0.005), rtol=1e-12)
    assert (own.lr, part.lr) == (0.03, 0.005)


@pytest.mark.parametrize("beta2", [0.999, 0.9])
@pytest.mark.parametrize("point", [1, 20, 60])
def test_swats_equals_keskar_and_socher(point: int, beta2: float) -> None:
    one = quadratic(Switch(first=Adam(lr=0.01, beta2=beta2), second=SGD(), at=point / 100, rate="swats"))
    told = run(one)
    assert isinstance(told[0], Report)
    np.testing.assert_allclose(one.theta, by_hand(point, "swats", beta2=beta2), rtol=1e-9)


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_swats_divides_what_momentum_multiplies(kind: Any) -> None:
    first = Adam(lr=0.01)
    bare = quadratic(Switch(first=first, second=SGD(), at=0.3, rate="swats"))
    one = quadratic(Switch(first=first, second=kind(momentum=0.8), at=0.3, rate="swats"))
    run(bare)
    run(one)
    assert one.lr == pytest.approx(bare.lr * 0.2, rel=1e-12)


def test_the_comparison_rejects_a_mean_that_is_not_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ProjectedRate.bequeath

    def uncorrected(self: Any, heir: Optimizer, slots: Any) -> Optimizer:
        return right(self, heir, {**slots, "weight": np.ones(1)})

    monkeypatch.setattr(ProjectedRate, "bequeath", uncorrected)
    one = quadratic(Switch(first=Adam(lr=0.01), second=SGD(), at=0.3, rate="swats"))
    run(one)
    assert np.abs(one.theta / by_hand(30, "swats") - 1).max() > 1e-3


def test_adam_hands_its_mean_to_momentum() -> None:
    """What momentum sums is the discounted mean of Adam, with the weight that its own sum would have had."""
    one = quadratic(Switch(first=Adam(lr=0.01, beta1=0.8), second=Momentum(lr=0.002, momentum=0.9), at=0.3))
    run(one)
    w, adam = START.copy(), HandAdam(0.01, beta1=0.8)
    for _ in range(30):
        w = w + adam.step(CURVATURE * w)
    mean = adam.m / (1 - 0.8**30)
    velocity = mean * (1 - 0.9**30) / (1 - 0.9)
    for _ in range(70):
        velocity = 0.9 * velocity + CURVATURE * w
        w = w - 0.002 * velocity
    np.testing.assert_allclose(one.theta, w, rtol=1e-10)


def test_what_is_not_carried_begins_anew_with_its_bias_corrections() -> None:
    one = quadratic(Switch(first=SGD(lr=0.01), second=Adam(lr=0.02), at=0.3))
    run(one)
    w, adam = START.copy(), HandAdam(0.02)
    for _ in range(30):
        w = w - 0.01 * CURVATURE * w
    for _ in range(70):
        w = w + adam.step(CURVATURE * w)
    np.testing.assert_allclose(one.theta, w, rtol=1e-11)
    assert one.began == 30


def test_the_schedule_goes_on_over_the_whole_training() -> None:
    one = quadratic(Switch(first=Adam(), second=SGD(lr=0.02), at=0.5), schedule=Linear())
    two = quadratic(SGD(lr=0.02), schedule=Linear())
    run(one)
    run(two)
    assert one.lr == two.lr < 0.01


def test_a_share_is_known_where_all_sums_are() -> None:
    assert inherited(Adam(), AdamW(), 5) == {"m": ("m", 1.0), "v": ("v", 1.0)}
    assert inherited(SGD(), Adam(), 5) is None
    assert inherited(Momentum(), Adam(), 5) is None, "squares are missing"
    assert inherited(Adam(), Lion(), 5) is None, "Lion's mean is of a time before"
    assert inherited(Momentum(), SGD(), 5) == {}, "SGD keeps nothing"


def test_a_rule_that_takes_over_twice_counts_from_where_its_sums_began() -> None:
    one = quadratic(
        Switch(first=Switch(first=SGD(lr=0.01), second=Adam(lr=0.02), at=0.3), second=AdamW(weight_decay=0.0), at=0.5)
    )
    run(one)
    assert one.began == 30


class Ascent(SGD):
    """Goes uphill."""

    def update(self, xp: Any, theta: Array, grad: Array, slots: Any, k: Any, scratch: Array) -> None:
        theta += k.lr * grad


def test_a_rate_that_is_not_positive_ends_that_member_alone() -> None:
    bad = Switch(first=Ascent(lr=1e-4), second=SGD(), at=0.5, rate="swats")
    good = Switch(first=Adam(lr=0.01), second=SGD(), at=0.5, rate="swats")
    members, told = trained([(0, good), (1, bad), (2, SGD(lr=0.1)), (3, good)])
    ends = [one for one in told if isinstance(one, Ended)]
    assert [(end.trial, end.state, end.epoch, end.step) for end in ends] == [(1, State.FAILED, 1, 11)]
    assert ends[0].reason is not None
    assert "SWATS found no learning rate to hand over: the projected steps of Ascent" in ends[0].reason
    assert "more than 0 is required" in ends[0].reason
    assert set(members) == {0, 2, 3}
    for number, optimizer in ((0, good), (2, SGD(lr=0.1)), (3, good)):
        alone, _ = trained([(number, optimizer)])
        assert_same(members[number], alone[number])


def test_a_lone_member_that_cannot_hand_over_ends_the_epoch() -> None:
    members, told = trained([(0, Switch(first=Ascent(lr=1e-4), second=SGD(), at=0.5, rate="swats"))])
    assert not members
    assert [type(one) for one in told] == [Report, Ended]


def test_the_slow_weights_of_a_lookahead_stay_when_what_it_wraps_changes() -> None:
    """Three steps of Adam, one of SGD; then the slow weights go from where they began."""
    one = quadratic(Lookahead(inner=Switch(first=Adam(lr=0.01), second=SGD(lr=0.02), at=0.75), every=4), steps=4)
    run(one, 4)
    w, adam = START.copy(), HandAdam(0.01)
    for _ in range(3):
        w = w + adam.step(CURVATURE * w)
    w = w - 0.02 * CURVATURE * w
    np.testing.assert_allclose(one.theta, START + 0.5 * (w - START), rtol=1e-13)
    np.testing.assert_array_equal(one.result, one.slots["slow"])


def test_the_average_around_both_spans_the_hand_over() -> None:
    def averaged(inner: Optimizer) -> tuple[np.ndarray, np.ndarray]:
        one = quadratic(EMA(inner=inner, decay=0.9))
        run(one)
        return one.theta, one.slots["mean"]

    wanted = averaged(Adam(lr=0.01))
    found = averaged(Switch(first=Adam(lr=0.01), second=AdamW(lr=0.01, weight_decay=0.0), at=0.95))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_wrapper_of_one_part_alone_goes_with_it() -> None:
    one = quadratic(Switch(first=SAM(inner=Momentum(lr=0.001)), second=SGD(lr=0.01), at=0.5))
    run(one)
    assert one.slots == {}
    assert one.optimizer == SGD(lr=0.01)


def test_sam_then_sgd_is_sam_then_sgd() -> None:
    one = quadratic(Switch(first=SAM(inner=SGD(lr=0.01), rho=0.1), second=SGD(lr=0.02), at=0.25))
    run(one)
    w = START.copy()
    for _ in range(25):
        g = CURVATURE * w
        w = w - 0.01 * CURVATURE * (w + 0.1 * g / np.linalg.norm(g))
    for _ in range(75):
        w = w - 0.02 * CURVATURE * w
    np.testing.assert_allclose(one.theta, w, rtol=1e-10)


def test_sums_are_carried_through_different_wrappers() -> None:
    """The rule inherits from the rule, whatever is around either."""
    clipped = Switch(first=ClipNorm(inner=Adam(lr=0.01), norm=1e9), second=Adam(lr=0.01), at=0.5)
    one, plain = quadratic(clipped), quadratic(Adam(lr=0.01))
    run(one)
    run(plain)
    np.testing.assert_array_equal(one.theta, plain.theta)
    assert one.slots.keys() == {"m", "v"}


def test_three_in_a_row_each_at_its_part_of_the_whole() -> None:
    row = Switch(first=SGD(lr=0.01), second=Switch(first=SGD(lr=0.02), second=SGD(lr=0.003), at=0.6), at=0.2)
    one = quadratic(row)
    run(one)
    w = START.copy()
    for lr, steps in ((0.01, 20), (0.02, 40), (0.003, 40)):
        for _ in range(steps):
            w = w - lr * CURVATURE * w
    np.testing.assert_allclose(one.theta, w, rtol=1e-10)
    assert one.changes == (20, 60)


def test_a_hand_over_leaves_the_parameters_where_they_are() -> None:
    one = quadratic(Switch(first=Adam(), second=SGD(), at=0.5))
    one.step = 50
    before = one.theta.copy()
    hand_over(one, DOUBLE)
    np.testing.assert_array_equal(one.theta, before)
    assert (one.optimizer, one.slots, one.next_change) == (SGD(), {}, None)


def test_swats_leaves_a_hand_over_inside_the_first_part_alone() -> None:
    """The rate that is being measured is for the second part; the first one's own SGD has its own."""
    first = Switch(first=Adam(lr=0.01), second=SGD(lr=0.003), at=0.3)
    row = quadratic(Switch(first=first, second=SGD(), at=0.999, rate="swats"), steps=50, epochs=2)
    plain = quadratic(first, steps=50, epochs=2)
    run(row, 50)
    run(plain, 50)
    assert row.optimizer.rule.lr == plain.optimizer.rule.lr == 0.003
    np.testing.assert_array_equal(row.theta, plain.theta)


@pytest.mark.parametrize("training", [{"clip_norm": 0.1}, {"weight_decay": 0.3}], ids=["clipped", "decayed"])
def test_swats_projects_on_the_gradient_that_the_rule_sees(training: dict[str, Any]) -> None:
    """Of SGD it finds SGD's own learning rate, whatever is done to the gradient before."""
    one = quadratic(Switch(first=SGD(lr=0.01), second=SGD(), at=0.3, rate="swats"), **training)
    run(one)
    assert one.lr == pytest.approx(0.01, rel=1e-9)
