"""A member that is saved between two epochs goes on as if nothing had happened, bit for bit."""

import pickle
from typing import Any

import numpy as np
import pytest
from laws.runs import OPTIMIZERS

from training.rig import member, network, population
from tunelab.contracts import Optimizer, Schedule
from tunelab.models import MLP
from tunelab.optimizers import EMA, SAM, SGD, SWA, Adam, AdamW, AMSGrad, Lookahead, Momentum, Sophia, Switch
from tunelab.plugins import load
from tunelab.schedules import Constant, Cosine, ReduceOnPlateau
from tunelab.training.member import Member
from tunelab.trial import Report

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(22, 5)), RNG.integers(0, 3, 22)
NET = network(MLP(width=7, activation="tanh", dropout=0.3), inputs=5, outputs=3)
EPOCHS = 4

NESTED: dict[str, Optimizer] = {
    "adam to adamw": Switch(first=Adam(), second=AdamW(), at=0.4),
    "swats": Switch(first=Adam(lr=0.01), second=Momentum(), at=0.6, rate="swats"),
    "three in a row": Switch(first=Switch(first=Adam(), second=SGD(), at=0.3), second=Momentum(), at=0.7),
    "mean of a sequence": EMA(inner=Lookahead(inner=Switch(first=Adam(), second=SGD(lr=0.1), at=0.55))),
    "sam to sophia": Switch(first=SAM(inner=SGD(lr=0.1)), second=Sophia(), at=0.5),
    "tail of sam": SWA(inner=SAM(), start=0.3, every=2),
}
OPTIMIZER_OF: dict[str, Optimizer] = {name: load("optimizer", name)() for name in OPTIMIZERS} | NESTED  # type: ignore[misc]

PLATEAU = ReduceOnPlateau(metric="train_loss", patience=0, gamma=0.5, threshold=0.5)
SCHEDULES: dict[str, Schedule] = {"constant": Constant(), "cosine": Cosine(), "plateau": PLATEAU}


def trained(
    optimizer: Optimizer, schedule: Schedule, saved_at: set[int], **training: Any
) -> tuple[list[Report], list[Member]]:
    """Return the reports and the members after all epochs; after some of these, everything goes through pickle."""
    made = [member(n, optimizer, schedule, steps=6, net=NET, epochs=EPOCHS, **training) for n in range(2)]
    group = population(made, X, Y, batch_size=4)
    reports: list[Report] = []
    for epoch in range(1, EPOCHS + 1):
        reports += [one for one in group.epoch() if isinstance(one, Report)]
        if epoch in saved_at:
            kept = pickle.loads(pickle.dumps(group.release(lambda _: True)))
            group = population(kept, X, Y, batch_size=4)
    return reports, group.release(lambda _: True)


def assert_equal(found: Any, wanted: Any) -> None:
    reports, members = found
    assert reports == wanted[0]
    assert len(reports) == 2 * EPOCHS, "every member reports every epoch"
    for one, other in zip(members, wanted[1], strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.slots.keys() == other.slots.keys()
        for name in one.slots:
            np.testing.assert_array_equal(one.slots[name], other.slots[name])
        assert (one.optimizer, one.memory, one.began) == (other.optimizer, other.memory, other.began)


@pytest.mark.parametrize("name", OPTIMIZER_OF)
def test_every_optimizer_goes_on_as_if_nothing_had_happened(name: str) -> None:
    whole = trained(OPTIMIZER_OF[name], Cosine(), set())
    assert_equal(trained(OPTIMIZER_OF[name], Cosine(), set(range(1, EPOCHS))), whole)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["adam", "switch", "three in a row"])
def test_every_schedule_goes_on_too_and_the_experiments_own_decay(name: str, schedule: str) -> None:
    training = {"clip_norm": 0.5, "weight_decay": 0.01, "warmup": 0.2}
    whole = trained(OPTIMIZER_OF[name], SCHEDULES[schedule], set(), **training)
    assert_equal(trained(OPTIMIZER_OF[name], SCHEDULES[schedule], {1, 2, 3}, **training), whole)


def test_a_schedule_with_a_memory_used_it() -> None:
    reports, _ = trained(Adam(), PLATEAU, set())
    rates = [report.metrics["lr"] for report in reports if report.trial == 0]
    assert rates[-1] < rates[0]


@pytest.mark.parametrize("lost", ["slots", "step", "began", "memory"])
def test_the_comparison_rejects_what_is_lost(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the state matters to one of these."""
    optimizer = Switch(first=Adam(), second=AMSGrad(), at=0.5) if lost == "began" else Adam()
    whole = trained(optimizer, PLATEAU, set())

    def forgetful(self: Member) -> dict[str, Any]:
        state = dict(self.__dict__)
        fresh = {"step": 0, "began": 0, "memory": self.configuration.schedule.memory()}
        fresh["slots"] = {name: np.zeros_like(values) for name, values in self.slots.items()}
        return state | {lost: fresh[lost]}

    monkeypatch.setattr(Member, "__getstate__", forgetful)
    with pytest.raises(AssertionError):
        assert_equal(trained(optimizer, PLATEAU, {3}), whole)
