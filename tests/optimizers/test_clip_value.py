"""Bounds on each element of the gradient, against `torch.nn.utils.clip_grad_value_`."""

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import Adam, ClipValue, Momentum

from .open_loop import error, gradients
from .wrapper_loop import MOVES, all_wrong, reference_path, torch_step, wrapped_path

MOMENTA = [ClipValue(inner=Momentum(lr=lr), value=value) for lr, value in ((0.01, 0.1), (0.3, 1e-4), (1e-3, 1e6))]
ADAMS = [ClipValue(inner=Adam(lr=lr), value=value) for lr, value in ((0.01, 1.0), (0.1, 1e-3))]
POPULATIONS = {"momentum": MOMENTA, "adam": ADAMS}


def reference(member, theta):
    rule = member.inner
    optimizer = (
        torch.optim.Adam([theta], betas=(rule.beta1, rule.beta2), eps=rule.eps, foreach=False)
        if isinstance(rule, Adam)
        else torch.optim.SGD([theta], momentum=rule.momentum, foreach=False)
    )

    def step(grad, factor):
        part = torch.nn.Parameter(torch.zeros(len(grad), dtype=torch.float64))
        part.grad = torch.from_numpy(grad)
        torch.nn.utils.clip_grad_value_(part, member.value)
        torch_step(optimizer, [theta], factor * rule.lr, part.grad)
        return theta

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_torch(name, move):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule)
    assert error(ours, reference_path(reference, members, grads, factors)) < 1e-12


def rejected(around):
    grads = gradients(len(MOMENTA))
    ours = wrapped_path(all_wrong(MOMENTA, around=around), grads)
    return error(ours, reference_path(reference, MOMENTA, grads)) > 1e-9


def test_the_comparison_rejects_a_bound_on_one_side():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        np.minimum(grad, k.value, out=grad)
        step.inner()

    assert rejected(around)


def test_the_comparison_rejects_a_bound_on_the_step():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        start = theta.copy()
        step.inner()
        theta[:] = start + np.clip(theta - start, -k.value, k.value)

    assert rejected(around)


def test_the_comparison_rejects_the_bound_of_the_first_member_for_all():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        np.clip(grad, -k.value[0], k.value[0], out=grad)
        step.inner()

    assert rejected(around)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_bound_is_a_positive_number(value):
    with pytest.raises(PluginError, match=r"ClipValue: value"):
        ClipValue(value=value)
