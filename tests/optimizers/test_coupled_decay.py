"""Decay in the gradient, against `weight_decay` of torch's SGD and Adam."""

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import SGD, Adam, CoupledDecay, Momentum

from .open_loop import error, gradients
from .wrapper_loop import MOVES, all_wrong, reference_path, torch_step, wrapped_path

DECAYS = (1e-4, 0.1, 0.0)
POPULATIONS = {
    "momentum": [CoupledDecay(inner=Momentum(lr=0.03), weight_decay=decay) for decay in DECAYS],
    "adam": [CoupledDecay(inner=Adam(lr=0.01), weight_decay=decay) for decay in DECAYS],
    "sgd": [CoupledDecay(inner=SGD(lr=0.1), weight_decay=decay) for decay in DECAYS],
}


def reference(member, theta):
    rule, decay = member.inner, member.weight_decay
    optimizer = (
        torch.optim.Adam([theta], betas=(rule.beta1, rule.beta2), eps=rule.eps, weight_decay=decay, foreach=False)
        if isinstance(rule, Adam)
        else torch.optim.SGD([theta], momentum=getattr(rule, "momentum", 0.0), weight_decay=decay, foreach=False)
    )

    def step(grad, factor):
        torch_step(optimizer, [theta], factor * rule.lr, grad)
        return theta

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_torch(name, move):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule)
    assert error(ours, reference_path(reference, members, grads, factors)) < 1e-12


def test_no_decay_changes_no_bit():
    grads = gradients(1)
    ours = wrapped_path([CoupledDecay(inner=Adam(), weight_decay=0.0)], grads)
    assert np.array_equal(ours, wrapped_path([Adam()], grads))


def rejected(around, name="adam"):
    members, grads = POPULATIONS[name], gradients(len(DECAYS))
    ours = wrapped_path(all_wrong(members, around=around), grads)
    return error(ours, reference_path(reference, members, grads)) > 1e-9


def test_the_comparison_rejects_decay_that_is_decoupled():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        theta *= 1 - self.rule.lr * k.weight_decay
        step.inner()

    assert rejected(around)


def test_the_comparison_rejects_decay_after_the_step():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        step.inner()
        theta -= self.rule.lr * k.weight_decay * theta

    assert rejected(around, "sgd")


def test_the_comparison_rejects_the_gradient_of_a_penalty_that_is_not_halved():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        grad += 2 * k.weight_decay * theta
        step.inner()

    assert rejected(around, "sgd")


def test_decay_is_not_negative():
    with pytest.raises(PluginError, match=r"CoupledDecay: weight_decay"):
        CoupledDecay(weight_decay=-0.1)
