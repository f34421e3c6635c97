"""The gradient's norm, against `torch.nn.utils.clip_grad_norm_` over several tensors."""

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import SGD, Adam, ClipNorm

from .open_loop import error, gradients
from .wrapper_loop import MOVES, TENSORS, all_wrong, reference_path, torch_step, wrapped_path

SGDS = [ClipNorm(inner=SGD(lr=lr), norm=norm) for lr, norm in ((0.01, 1.0), (0.3, 1e-3), (1e-3, 1e6))]
ADAMS = [ClipNorm(inner=Adam(lr=lr, beta1=b), norm=norm) for lr, b, norm in ((0.01, 0.9, 5.0), (0.03, 0.0, 0.1))]
POPULATIONS = {"sgd": SGDS, "adam": ADAMS}


def grads_of(members):
    return gradients(len(members))


def reference(member, theta):
    params = [theta[where] for where in TENSORS]
    rule = member.inner
    optimizer = (
        torch.optim.Adam(params, betas=(rule.beta1, rule.beta2), eps=rule.eps, foreach=False)
        if isinstance(rule, Adam)
        else torch.optim.SGD(params, foreach=False)
    )

    def step(grad, factor):
        parts = [torch.nn.Parameter(torch.zeros(len(param), dtype=torch.float64)) for param in params]
        for part, where in zip(parts, TENSORS, strict=True):
            part.grad = torch.from_numpy(grad[where].copy())
        torch.nn.utils.clip_grad_norm_(parts, member.norm)
        torch_step(optimizer, params, factor * rule.lr, torch.cat([part.grad for part in parts]))
        return theta

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_torch(name, move):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    ours = wrapped_path(members, grads_of(members), schedule=schedule)
    assert error(ours, reference_path(reference, members, grads_of(members), factors)) < 1e-12


def test_a_member_that_is_never_clipped_keeps_every_bit():
    grads = gradients(1)
    assert np.array_equal(wrapped_path([ClipNorm(inner=Adam(), norm=1e9)], grads), wrapped_path([Adam()], grads))


def rejected(around):
    members = all_wrong(SGDS, around=around)
    grads = grads_of(members)
    return error(wrapped_path(members, grads), reference_path(reference, SGDS, grads)) > 1e-9


def test_the_comparison_rejects_a_norm_per_tensor():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        for where in TENSORS:
            length = np.linalg.norm(grad[:, where], axis=1, keepdims=True)
            grad[:, where] *= np.minimum(1.0, k.norm / (length + 1e-6))
        step.inner()

    assert rejected(around)


def test_the_comparison_rejects_a_norm_over_the_members():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        grad *= np.minimum(1.0, k.norm / (np.linalg.norm(grad) + 1e-6))
        step.inner()

    assert rejected(around)


def test_the_comparison_rejects_a_short_gradient_that_is_made_longer():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        grad *= k.norm / (np.linalg.norm(grad, axis=1, keepdims=True) + 1e-6)
        step.inner()

    assert rejected(around)


def test_the_comparison_rejects_clipping_after_the_step():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        step.inner()
        grad *= np.minimum(1.0, k.norm / (np.linalg.norm(grad, axis=1, keepdims=True) + 1e-6))

    assert rejected(around)


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_norm_is_a_positive_number(norm):
    with pytest.raises(PluginError, match=r"ClipNorm: norm"):
        ClipNorm(norm=norm)
