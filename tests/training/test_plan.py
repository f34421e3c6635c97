"""Plans: warm-up, schedule and every scalar of a step, alike however many steps and members are planned at once."""

from collections.abc import Sequence

import numpy as np
import pytest
from laws.runs import OPTIMIZERS, SCHEDULES, Dice

from training.rig import DOUBLE, member
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Optimizer, Schedule
from tunelab.drawing import draw, rebuild
from tunelab.optimizers import SGD, Adam
from tunelab.plugins import load
from tunelab.schedules import Constant, Cosine, Linear, ReduceOnPlateau, Step, Then
from tunelab.training.member import Member
from tunelab.training.plan import Plan, factors, hyperparameters, plan
from tunelab.training.rules import groups_of, sorted_by_rule


def factor(one: Member, steps: int) -> list[float]:
    return factors([one], np.arange(steps)[:, None, None])[:, 0, 0].tolist()


def test_warm_up_rises_from_one_part_to_the_whole_and_never_starts_at_zero() -> None:
    one = member(schedule=Constant(), epochs=2, steps=4, warmup=0.5)
    assert factor(one, 8) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_the_schedule_runs_over_the_steps_that_warm_up_leaves() -> None:
    warm = member(schedule=Linear(final=0.2), epochs=3, steps=4, warmup=1 / 3)
    plain = member(schedule=Linear(final=0.2), epochs=2, steps=4)
    assert factor(warm, 12)[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factor(warm, 12)[4:] == factor(plain, 8)
    assert factor(plain, 8) == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


@pytest.mark.parametrize("schedule", [Constant(), Cosine(), Linear(), Step()])
def test_first_and_last_step(schedule: Schedule) -> None:
    whole = factor(member(schedule=schedule, epochs=5, steps=4), 20)
    assert whole[0] == 1.0
    assert 0 < whole[-1] <= 1.0


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.0), (1, 0.99), (1, 0.2), (3, 0.999)])
def test_trainings_of_one_step_and_warm_ups_of_nearly_all(epochs: int, warmup: float) -> None:
    found = factor(member(schedule=Cosine(), epochs=epochs, steps=1, warmup=warmup), epochs)
    assert all(0 < one <= 1 for one in found)


def test_warm_up_is_rounded_to_whole_steps() -> None:
    assert factor(member(epochs=1, steps=10, warmup=0.26), 4) == [1 / 3, 2 / 3, 1.0, 1.0]


def plugin(kind: str, name: str, seed: int) -> Optimizer | Schedule:
    """Return a plugin with hyperparameters drawn at random, special exponents among them."""
    search = load(kind, name).search()  # type: ignore[arg-type]
    return rebuild(search, dict(draw(search, Dice(seed), kind, kind)), kind)  # type: ignore[no-any-return]


def everyone(steps: int = 7, epochs: int = 100) -> list[Member]:
    """Return members of every optimizer and schedule, each at a step of its own."""
    found = []
    for n in range(4 * len(OPTIMIZERS)):
        optimizer = plugin("optimizer", OPTIMIZERS[n % len(OPTIMIZERS)], n)
        name = SCHEDULES[n % len(SCHEDULES)]
        schedule = load("schedule", name)() if n % 2 else plugin("schedule", name, n)
        one = member(n, optimizer, schedule, steps=steps, epochs=epochs, warmup=(0.0, 0.1)[n % 2])  # type: ignore[arg-type]
        one.step = 13 * n if n % 4 else 0
        found.append(one)
    return sorted_by_rule(found)


def by_member(members: Sequence[Member], found: Plan) -> dict[int, dict[str, list[float]]]:
    """Return each member's numbers by name over the steps."""
    numbers = {m.trial.number: {"lr": found.lr[:, row, 0].tolist()} for row, m in enumerate(members)}
    for group, scalars in zip(groups_of(members), found.scalars, strict=True):
        for name, values in scalars[-1].items():
            for place, m in enumerate(members[group]):
                numbers[m.trial.number][name] = values[:, place, 0].tolist()
    return numbers


def planned(members: Sequence[Member], steps: int) -> dict[int, dict[str, list[float]]]:
    return by_member(members, plan(members, groups_of(members), steps, DOUBLE))


def test_a_member_is_planned_alike_alone_and_among_others_at_other_steps() -> None:
    members = everyone()
    together = planned(members, 50)
    for one in members:
        assert planned([one], 50) == {one.trial.number: together[one.trial.number]}


def test_a_power_has_the_same_bits_for_one_number_and_for_many() -> None:
    # numpy.power takes a shortcut where one exponent serves a whole call and is 2 or 1/2; on AVX-512 the bits differ
    betas = np.random.default_rng(1).uniform(0.5, 0.99, (200, 2)).tolist()
    members = [member(n, Adam(lr=0.1, beta1=one, beta2=two), epochs=9) for n, (one, two) in enumerate(betas)]
    for one in members:
        one.step = 1
    together = planned(members, 1)
    for one in members:
        assert planned([one], 1) == {one.trial.number: together[one.trial.number]}


@pytest.mark.parametrize("company", [True, False])
@pytest.mark.parametrize("piece", [1, 2, 7])
def test_steps_are_planned_alike_at_once_and_in_pieces(piece: int, company: bool) -> None:
    members = everyone()
    for some in [members] if company else [[one] for one in members]:
        whole = planned(some, 28)
        found: dict[int, dict[str, list[float]]] = {}
        for _ in range(0, 28, piece):
            for number, numbers in planned(some, piece).items():
                for name, values in numbers.items():
                    found.setdefault(number, {}).setdefault(name, []).extend(values)
            for one in some:
                one.step += piece
        assert found == whole


def test_members_of_one_rule_have_their_own_numbers_each() -> None:
    slow, quick = member(0, SGD(lr=0.1), epochs=9), member(1, SGD(lr=0.2), Cosine(), epochs=9)
    quick.step = 18
    found = plan([slow, quick], [slice(0, 2)], 2, DOUBLE)
    assert found.lr[:, :, 0].ravel().tolist() == pytest.approx([0.1, 0.1, 0.1, 0.2 * factor(quick, 20)[19]])


def test_bias_corrections_count_from_a_members_own_first_step() -> None:
    new, old = member(0, Adam(lr=0.1)), member(1, Adam(lr=0.1))
    old.step = 100_000
    rates = plan([new, old], [slice(0, 2)], 1, DOUBLE).scalars[0][-1]["rate"][0, :, 0]
    assert rates.tolist() == pytest.approx([0.1, 0.1 * (1 - 0.9) / (1 - 0.999) ** 0.5], rel=1e-12)


def test_the_numbers_of_plugins_inside_a_plugin_are_found_under_its_name() -> None:
    def joined(gamma: float, at: float) -> Then:
        return Then(first=Step(gamma=gamma), second=Then(first=Cosine(final=gamma), second=Constant()), at=at)

    hyper = hyperparameters([joined(0.1, 0.2), joined(0.3, 0.4)])
    assert hyper.at.tolist() == [[0.2], [0.4]]
    assert hyper.first.gamma.tolist() == hyper.second.first.final.tolist() == [[0.1], [0.3]]
    assert vars(hyper.second.second) == {}


def test_what_a_schedule_remembers_is_each_members_own() -> None:
    new, old, plain = (
        member(n, schedule=one) for n, one in enumerate([ReduceOnPlateau(), ReduceOnPlateau(), Cosine()])
    )
    old.memory = {**old.memory, "level": 0.25}
    found = factors([new, old, plain], np.arange(3)[:, None, None])[:, :, 0]
    assert found[:, 0].tolist() == [1.0] * 3
    assert found[:, 1].tolist() == [0.25] * 3
    assert found[:, 2].tolist() == factor(plain, 3)


def test_scalars_are_worked_out_in_float64_whatever_the_training() -> None:
    one = member(optimizer=Adam(lr=0.1, beta2=0.9999))
    single = plan([one], [slice(0, 1)], 3, NumpyBackend("float32")).scalars[0][-1]["rate"]
    double = plan([one], [slice(0, 1)], 3, DOUBLE).scalars[0][-1]["rate"]
    assert single.dtype == np.float32
    assert np.array_equal(single, double.astype(np.float32))
