"""A sequence of optimizers: who is in force when, with which rate, and what cannot be asked for."""

import math

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import EMA, SGD, Adam, AdamW, Lookahead, Momentum, Nesterov, RMSprop, Switch

from . import wrapper_loop
from .open_loop import STEPS, error, gradients
from .wrapper_loop import MOVES, reference_path, torch_step, wrapped_path

MEMBERS = [
    Switch(first=Adam(lr=0.01), second=Momentum(lr=0.03, dampening=0.0), at=0.3),
    Switch(first=Adam(lr=0.1, beta1=0.5), second=Momentum(lr=0.003, momentum=0.5), at=0.3003),
    Switch(first=Adam(lr=0.03), second=Momentum(momentum=0.0), at=0.75, rate=2.0),
]
FRESH = [
    Switch(first=Momentum(lr=lr), second=Adam(lr=0.02, beta1=beta1), at=at)
    for lr, beta1, at in ((0.01, 0.9, 0.3), (0.1, 0.5, 0.1234), (0.03, 0.0, 0.999))
]


def adam(rule, theta):
    return torch.optim.Adam([theta], betas=(rule.beta1, rule.beta2), eps=rule.eps, foreach=False)


def reference(carried):
    def of(member, theta):
        point, taken = math.ceil(member.at * STEPS), [0]
        first, second = member.first, member.second
        lr = second.lr if member.rate == "own" else member.rate * first.lr
        if carried:
            before = adam(first, theta)
            after = torch.optim.SGD([theta], momentum=second.momentum, foreach=False)
        else:
            before = torch.optim.SGD([theta], momentum=first.momentum, foreach=False)
            after = adam(second, theta)

        def step(grad, factor):
            if taken[0] == point and carried and second.momentum:
                mean = before.state[theta]["exp_avg"] / (1 - first.beta1**point)
                terms = (1 - second.momentum**point) / (1 - second.momentum)
                after.state[theta]["momentum_buffer"] = mean * terms
            if taken[0] < point:
                torch_step(before, [theta], factor * first.lr, grad)
            else:
                torch_step(after, [theta], factor * lr, grad)
            taken[0] += 1
            return theta

        return step

    return of


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("carried", [True, False], ids=["carried", "fresh"])
def test_equals_torch_for_members_that_hand_over_at_different_steps(carried, move):
    members, (schedule, factors) = MEMBERS if carried else FRESH, MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule)
    assert error(ours, reference_path(reference(carried), members, grads, factors)) < 1e-12


def test_the_comparison_rejects_bias_corrections_that_go_on(monkeypatch):
    right = wrapper_loop.hand_over

    def going_on(one, backend):
        right(one, backend)
        one.began = 0

    monkeypatch.setattr(wrapper_loop, "hand_over", going_on)
    grads = gradients(len(FRESH))
    assert error(wrapped_path(FRESH, grads), reference_path(reference(False), FRESH, grads)) > 1e-9


def test_the_comparison_rejects_a_restart_without_state(monkeypatch):
    monkeypatch.setattr("tunelab.training.handover.inherited", lambda *_: None)
    grads = gradients(len(MEMBERS))
    assert error(wrapped_path(MEMBERS, grads), reference_path(reference(True), MEMBERS, grads)) > 1e-9


def test_the_comparison_rejects_a_hand_over_one_step_late(monkeypatch):
    monkeypatch.setattr(Switch, "_point", lambda self, total: math.ceil(self.at * total) + 1)
    grads = gradients(len(FRESH))
    assert error(wrapped_path(FRESH, grads), reference_path(reference(False), FRESH, grads)) > 1e-9


def test_equal_members_of_a_sequence_are_the_rule_itself():
    grads = gradients(1)
    ours = wrapped_path([Switch(first=Adam(), second=AdamW(weight_decay=0.0), at=0.37)], grads)
    assert np.array_equal(ours, wrapped_path([Adam()], grads))


@pytest.mark.parametrize(
    ("at", "total", "point"), [(0.5, 7, 4), (0.3, 10, 3), (0.1, 3, 1), (0.999, 10, 10), (0.7, 10, 7)]
)
def test_it_hands_over_after_the_steps_of_the_first_part_rounded_up(at, total, point):
    switch = Switch(first=Adam(), second=SGD(), at=at)
    assert switch.changes(total) == (point,)
    assert switch.at_step(point - 1, total) == Adam()
    assert switch.at_step(point, total) == SGD()


def test_a_nested_sequence_changes_at_parts_of_the_whole():
    row = Switch(first=Adam(), second=Switch(first=SGD(), second=RMSprop(), at=0.8), at=0.5)
    assert row.changes(100) == (50, 80)
    assert [type(row.at_step(step, 100)) for step in (0, 49, 50, 79, 80, 99)] == [
        Adam,
        Adam,
        SGD,
        SGD,
        RMSprop,
        RMSprop,
    ]


def test_a_part_that_is_over_before_its_turn_never_has_one():
    row = Switch(first=Adam(), second=Switch(first=SGD(), second=RMSprop(), at=0.3), at=0.5)
    assert row.changes(100) == (50,)
    assert row.at_step(50, 100) == RMSprop()


def test_a_number_multiplies_the_rate_of_the_first():
    switch = Switch(first=Adam(lr=0.02), second=Lookahead(inner=SGD(lr=5.0)), rate=0.5)
    assert switch.at_step(99, 100).rule.lr == 0.01


def test_a_wrapper_around_it_stays_around_what_is_in_force():
    outer = EMA(inner=Lookahead(inner=Switch(first=Adam(), second=SGD(), at=0.5)))
    assert [type(level) for level in outer.at_step(0, 10).levels()] == [EMA, Lookahead, Adam]
    assert [type(level) for level in outer.at_step(5, 10).levels()] == [EMA, Lookahead, SGD]
    assert outer.changes(10) == (5,)


@pytest.mark.parametrize("second", [SGD(), Momentum(), Nesterov(), EMA(inner=SGD())])
def test_swats_is_for_rules_whose_step_is_the_gradient(second):
    assert Switch(second=second, rate="swats").rate == "swats"


@pytest.mark.parametrize("second", [Adam(), Lookahead(inner=RMSprop()), Switch(first=SGD(), second=AdamW())])
def test_swats_for_another_rule_is_refused_by_name(second):
    name = type(second.rules()[-1]).__name__
    with pytest.raises(PluginError, match=rf"Momentum or Nesterov, and second is {name}; choose one"):
        Switch(second=second, rate="swats")


@pytest.mark.parametrize(
    "fields", [{"at": 0.0}, {"at": 1.0}, {"at": -0.1}, {"rate": "swat"}, {"rate": 0.0}, {"rate": -1.0}]
)
def test_fields_have_bounds(fields):
    with pytest.raises(PluginError, match=f"Switch: {next(iter(fields))}"):
        Switch(**fields)


def test_a_part_must_be_an_optimizer():
    with pytest.raises(PluginError, match=r"Switch: second.*Optimizer"):
        Switch(second=3)
    with pytest.raises(PluginError, match="no field 'third'"):
        Switch(third=SGD())


def test_swats_finds_one_rate_so_its_second_optimizer_hands_over_to_nobody():
    with pytest.raises(PluginError, match="finds one learning rate, and second hands over to another optimizer itself"):
        Switch(second=Lookahead(inner=Switch(first=SGD(), second=Momentum())), rate="swats")
