"""Decay beside the step: around Adam it is AdamW, torch's and ours."""

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import Adam, AdamW, DecoupledDecay, Momentum

from .open_loop import error, gradients
from .wrapper_loop import MOVES, all_wrong, reference_path, torch_step, wrapped_path

MEMBERS = [
    DecoupledDecay(inner=Adam(lr=0.01), weight_decay=0.1),
    DecoupledDecay(inner=Adam(lr=0.03, beta1=0.5, beta2=0.9, eps=1e-3), weight_decay=1.0),
    DecoupledDecay(inner=Adam(), weight_decay=0.0),
]
GRADS = gradients(len(MEMBERS))


def reference(member, theta):
    rule, decay = member.inner, member.weight_decay
    betas = (rule.beta1, rule.beta2)
    optimizer = torch.optim.AdamW([theta], betas=betas, eps=rule.eps, weight_decay=decay, foreach=False)

    def step(grad, factor):
        torch_step(optimizer, [theta], factor * rule.lr, grad)
        return theta

    return step


@pytest.mark.parametrize("move", MOVES)
def test_around_adam_it_is_adamw_of_torch(move):
    schedule, factors = MOVES[move]
    ours = wrapped_path(MEMBERS, GRADS, schedule=schedule)
    assert error(ours, reference_path(reference, MEMBERS, GRADS, factors)) < 1e-12


@pytest.mark.parametrize("move", MOVES)
def test_around_adam_it_is_our_adamw(move):
    bare = [AdamW(**dict(member.inner), weight_decay=member.weight_decay) for member in MEMBERS]
    schedule, _ = MOVES[move]
    assert error(wrapped_path(MEMBERS, GRADS, schedule=schedule), wrapped_path(bare, GRADS, schedule=schedule)) < 1e-14


def test_around_momentum_the_velocity_knows_nothing_of_it():
    members = [DecoupledDecay(inner=Momentum(lr=lr), weight_decay=0.3) for lr in (0.01, 0.2)]

    def by_hand(member, theta):
        velocity = np.zeros(len(theta))

        def step(grad, factor):
            velocity[:] = 0.9 * velocity + grad
            values = theta.numpy()
            values -= factor * member.inner.lr * (0.3 * values + velocity)
            return theta

        return step

    grads = gradients(2)
    assert error(wrapped_path(members, grads), reference_path(by_hand, members, grads)) < 1e-12


def rejected(move="constant", **changed):
    schedule, factors = MOVES[move]
    ours = wrapped_path(all_wrong(MEMBERS, **changed), GRADS, schedule=schedule)
    return error(ours, reference_path(reference, MEMBERS, GRADS, factors)) > 1e-9


def test_the_comparison_rejects_decay_after_the_step():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        step.inner()
        theta *= k.keep

    assert rejected(around=around)


def test_the_comparison_rejects_decay_that_is_not_scheduled():
    def scalars(self, hyper, step):
        return {"keep": 1 - hyper.lr / hyper.factor * hyper.weight_decay}

    assert rejected("cosine", scalars=scalars)


def test_the_comparison_rejects_decay_without_the_learning_rate():
    def scalars(self, hyper, step):
        return {"keep": 1 - 0.01 * hyper.factor * hyper.weight_decay}

    assert rejected("cosine", scalars=scalars)


def test_decay_is_not_negative():
    with pytest.raises(PluginError, match=r"DecoupledDecay: weight_decay"):
        DecoupledDecay(weight_decay=-0.1)
