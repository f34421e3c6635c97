"""The laws for modules of anybody: alone and together, beside trouble, in any order; and PyTorch's own loop."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from laws.modules import Rows, by_hand, close_law, ended, experiment, near, rows_of, same, trained
from laws.runs import drawn
from laws.zoo import ALONE, RANDOM, TOGETHER, batch_norm_1d, dropout, mlp
from tunelab import Choice, Float
from tunelab.contracts import Optimizer
from tunelab.models import TorchModel
from tunelab.optimizers import EMA, SAM, SGD, SWA, Adam, Momentum, ScheduleFreeAdamW, Sophia, Switch
from tunelab.training.feed import Arrays
from tunelab.training.member import Member
from tunelab.training.population import Cohort, Population
from tunelab.trial import Report, State, Trial

KINDS = TOGETHER | RANDOM | ALONE
DTYPES = ("float32", "float64")


def named(build: Any) -> str:
    return str(build.__name__)


@pytest.mark.parametrize("build", TOGETHER | RANDOM, ids=named)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_member_trains_alike_alone_and_in_company(build: Any, dtype: str) -> None:
    close_law(experiment(build, KINDS[build], dtype=dtype))


@pytest.mark.parametrize("build", [batch_norm_1d, dropout], ids=named)
@pytest.mark.parametrize("batch_size", [7, 47, "full"])
def test_with_any_batch_size_and_its_remainder(build: Any, batch_size: Any) -> None:
    close_law(experiment(build, KINDS[build], count=59, batch_size=batch_size, dtype="float64"))


def test_a_batch_norm_in_front_of_rows_that_all_members_share() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 10))

    close_law(experiment(build, batch_size="full", dtype="float64"))


@pytest.mark.parametrize("build", TOGETHER | ALONE, ids=named)
def test_a_module_trains_as_in_a_loop_by_hand(build: Any) -> None:
    made = experiment(build, KINDS[build], dtype="float64")
    trials = drawn(made, 2, seed=3)
    left = trained(made, trials)
    for trial in trials:
        hand = by_hand(made, trial, build)
        assert left.run[trial.number].metric("val_loss") == pytest.approx(hand.val_losses, rel=1e-6)
        assert left.run[trial.number].metric("train_loss") == pytest.approx(hand.train_losses, rel=1e-6)
        member, parameters = left.members[trial.number], dict(hand.module.named_parameters())
        for tensor in member.network.tensors():
            near(member.theta[tensor.where].view(tensor.shape), parameters[tensor.name].detach(), 1e-7)
        others = dict(hand.module.named_buffers()) | parameters
        for name, values in member.buffers.items():
            near(values, others[name].detach(), 1e-7)


@pytest.mark.parametrize("build", ALONE, ids=named)
def test_what_cannot_train_together_trains_alone_and_says_why_once(build: Any) -> None:
    left = trained(experiment(build, ALONE[build]), drawn(experiment(build, ALONE[build]), 3))
    assert left.run.largest == 1
    assert len(set(left.notes)) == 1
    assert left.notes[0].startswith("trials train one at a time: ")
    assert all(outcome.end[0] == "complete" for outcome in left.run.outcomes.values())


WRAPPED: dict[str, Optimizer] = {
    "mean of a sequence": EMA(inner=Adam(lr=0.005), decay=0.8),
    "tail": SWA(inner=Momentum(lr=0.02), start=0.3, every=2),
    "schedule free": ScheduleFreeAdamW(lr=0.01),
    "sam": SAM(inner=SGD(lr=0.05)),
    "sophia": Sophia(lr=0.005),
    "switch": Switch(first=Adam(lr=0.005), second=SGD(lr=0.05), at=0.4),
    "sam, then sophia": Switch(first=SAM(inner=SGD(lr=0.05)), second=Sophia(lr=0.005), at=0.5),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("build", [batch_norm_1d, dropout], ids=named)
def test_wrappers_second_gradients_and_hand_overs_with_buffers_and_noise(name: str, build: Any) -> None:
    close_law(experiment(build, optimizer=WRAPPED[name], dtype="float64"), tolerance=1e-6)


def test_wrappers_side_by_side() -> None:
    # several groups in one population: each computes its second gradient through passes of its own
    optimizer = Choice(*(type(each).search() for each in (SGD(), Adam(), SAM(), Sophia())))
    for build in (batch_norm_1d, dropout):
        close_law(experiment(build, optimizer=optimizer, dtype="float64"), count=6, tolerance=1e-7)


def test_a_second_gradient_renews_no_batch_norm() -> None:
    """One step of SAM leaves the statistics of one pass, as its users' loops in PyTorch take care to."""
    made = experiment(batch_norm_1d, optimizer=SAM(inner=SGD(lr=0.05)), batch_size="full", epochs=1, dtype="float64")
    left = trained(made, drawn(made, 1))
    torch.manual_seed(drawn(made, 1)[0].seed)
    module = batch_norm_1d().double()
    module(torch.from_numpy(rows_of(made).x_train))
    for name, values in module.named_buffers():
        near(left.members[0].buffers[name], values, 1e-12)


def test_averages_are_evaluated_with_the_buffers_of_training() -> None:
    made = experiment(batch_norm_1d, optimizer=EMA(inner=SGD(lr=0.1), decay=0.9), dtype="float64")
    (trial,) = drawn(made, 1)
    left = trained(made, [trial])
    member, module = left.members[0], batch_norm_1d().double().eval()
    assert member.result is not None
    assert not torch.equal(member.result, member.theta)
    state = {t.name: member.result[t.where].view(t.shape) for t in member.network.tensors()}
    module.load_state_dict(state | member.buffers)
    parts = rows_of(made)
    loss = functional.cross_entropy(module(torch.from_numpy(parts.x_validation)), torch.from_numpy(parts.y_validation))
    assert left.run[0].metric("val_loss")[-1] == pytest.approx(float(loss.detach()), rel=1e-12)


@pytest.mark.parametrize("build", [batch_norm_1d, dropout, mlp], ids=named)
def test_a_neighbour_that_diverges_changes_nothing(build: Any) -> None:
    made = experiment(build, optimizer=SGD.search(lr=Float(0.01, 0.1)), dtype="float64")
    calm = drawn(made, 3, seed=5)
    wild = Trial(9, 9, calm[0].params | {"optimizer.lr": 1e20})
    beside = trained(made, [*calm, wild], 4)
    assert beside.run.largest == 4
    assert ended(beside, 9).state is State.DIVERGED
    apart = trained(made, calm, 3)
    for trial in calm:
        same(apart, beside, trial.number, 1e-12)


@pytest.mark.parametrize("build", [batch_norm_1d, dropout], ids=named)
def test_the_order_of_members_changes_nothing(build: Any) -> None:
    made = experiment(build, dtype="float64")
    trials = drawn(made, 4, seed=6)
    before = trained(made, trials, 4)
    after = trained(made, [replace(trial, number=3 - trial.number) for trial in trials], 4)
    for number in range(4):
        assert after.losses(3 - number) == pytest.approx(before.losses(number), rel=1e-12)
        near(after.members[3 - number].theta, before.members[number].theta, 1e-12)


def test_one_seed_gives_one_study_and_another_seed_another() -> None:
    made = experiment(dropout)
    (trial,) = drawn(made, 1)
    once, again = trained(made, [trial]), trained(made, [trial])
    assert once.run[0].curve == again.run[0].curve
    other = trained(made, [replace(trial, seed=trial.seed + 1)])
    assert other.run[0].curve != once.run[0].curve


def test_rates_of_dropout_differ_inside_a_population() -> None:
    made = experiment(TorchModel.search(dropout, rate=Float(0.0, 0.9)), dtype="float64")
    left = close_law(made, 4)
    assert len({trial.network.rates() for trial in left.members.values()}) == 4


@pytest.mark.parametrize("build", [TOGETHER, RANDOM], ids=["together", "random"])
def test_a_member_packed_anew_each_epoch_goes_on_as_if_nothing_had_happened(build: Any) -> None:
    for made in (experiment(each, build[each], dtype="float64", epochs=3) for each in list(build)[::4]):
        trials = drawn(made, 2, seed=2)
        assert _by_epochs(made, trials, anew=True) == _by_epochs(made, trials, anew=False)


def _by_epochs(made: Any, trials: list[Trial], *, anew: bool) -> list[Report]:
    from tunelab.backends import backend_of
    from tunelab.training.networks import network_of

    parts, backend = rows_of(made), backend_of(made.backend, made.dtype)
    arrays = Arrays(
        {
            "train_": (backend.asarray(parts.x_train), backend.asarray(parts.y_train)),
            "val_": (backend.asarray(parts.x_validation), backend.asarray(parts.y_validation)),
        }
    )
    configurations = [made.configure(dict(trial.params)) for trial in trials]
    networks = [network_of(made, each, parts) for each in configurations]
    cohort = Cohort(networks[0], 10, 5)
    assert cohort.network.fit(backend, *arrays.sample(10), 2, 16) == 2
    population = Population(cohort, arrays, backend, math.inf)
    given = zip(trials, configurations, networks, strict=True)
    population.admit([Member.new(trial, each, network, 5, backend) for trial, each, network in given])
    reports: list[Report] = []
    for _ in range(3):
        reports += [event for event in population.epoch() if isinstance(event, Report)]
        if anew:
            members = population.release(lambda _: True)
            population = Population(cohort, arrays, backend, math.inf)
            population.admit(members)
    return reports


def test_frozen_parameters_stay_and_unused_ones_too() -> None:
    build = next(each for each in TOGETHER if each.__name__ == "tied")
    made = experiment(build)
    trials = drawn(made, 2)
    left = trained(made, trials, 2)
    for trial in trials:
        torch.manual_seed(trial.seed)
        module, member = build(), left.members[trial.number]
        where = {tensor.name: tensor.where for tensor in member.network.tensors()}
        assert torch.equal(member.buffers["frozen.weight"], module.frozen.weight)
        assert torch.equal(member.theta[where["unused"]], module.unused.detach())
        assert not torch.equal(member.theta[where["scale"]], module.scale.detach().reshape(1))
        assert "out.weight" not in where, "a tied tensor is one tensor"


@pytest.mark.parametrize("metric", ["mean_squared_error"])
def test_values_train_on_the_mean_squared_error(metric: str) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 2))

    made = experiment(build, "values", dtype="float64", loss=metric)
    left = close_law(made)
    for trial in drawn(made, 3):
        hand = by_hand(made, trial, build, functional.mse_loss)
        assert left.run[trial.number].metric("val_loss") == pytest.approx(hand.val_losses, rel=1e-9)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "weighted": nn.CrossEntropyLoss(weight=torch.linspace(0.5, 1.5, 10, dtype=torch.float64)),
    "of several": lambda out, y: functional.nll_loss(out.log_softmax(-1), y) + 0.01 * out.square().mean(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_ones_own(name: str) -> None:
    made = experiment(mlp, dtype="float64", loss=LOSSES[name], metrics={"spread": lambda out, y: out.std()})
    left = close_law(made)
    for trial in drawn(made, 3):
        hand = by_hand(made, trial, mlp, LOSSES[name])
        assert left.run[trial.number].metric("train_loss") == pytest.approx(hand.train_losses, rel=1e-9)
        out = hand.module(torch.from_numpy(rows_of(made).x_validation))
        assert left.run[trial.number].metric("val_spread")[-1] == pytest.approx(float(out.detach().std()), rel=1e-9)


def test_two_classes_from_one_logit() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(out, y.to(out.dtype))

    left = close_law(experiment(build, "two", loss=loss, dtype="float64"))
    assert set(left.run[0].reports[1].metrics) == {"train_loss", "val_loss", "lr"}, "no accuracy of outputs like these"


def test_evaluation_does_not_change_a_member() -> None:
    with_parts = experiment(batch_norm_1d, epochs=1, dtype="float64")
    less = experiment(batch_norm_1d, epochs=1, dtype="float64", data=Rows(kind="flat"), validation=0.2)
    one, other = (trained(made, drawn(made, 2), 2) for made in (with_parts, less))
    assert int(one.members[0].buffers["1.num_batches_tracked"]) == 5
    near(one.members[0].theta, other.members[0].theta, 0.0)
    assert np.isfinite(one.losses(0)).all()
