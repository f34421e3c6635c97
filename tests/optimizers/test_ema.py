"""The moving average of the weights, against `AveragedModel` with `get_ema_multi_avg_fn`."""

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tunelab.errors import PluginError
from tunelab.optimizers import EMA, Adam

from .open_loop import error, gradients
from .wrapper_loop import MOVES, all_wrong, reference_path, torch_step, wrapped_path

MEMBERS = [EMA(inner=Adam(lr=lr), decay=decay) for lr, decay in ((0.01, 0.999), (0.1, 0.9), (0.03, 0.0))]
GRADS = gradients(len(MEMBERS))


class Holder(torch.nn.Module):
    """A module that holds one parameter."""

    def __init__(self, theta):
        super().__init__()
        self.theta = torch.nn.Parameter(theta)


def reference(member, theta):
    model, rule = Holder(theta), member.inner
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(member.decay))
    betas = (rule.beta1, rule.beta2)
    optimizer = torch.optim.Adam(model.parameters(), betas=betas, eps=rule.eps, foreach=False)

    def step(grad, factor):
        torch_step(optimizer, [model.theta], factor * rule.lr, grad)
        averaged.update_parameters(model)
        return averaged.module.theta.detach()

    return step


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move):
    schedule, factors = MOVES[move]
    ours = wrapped_path(MEMBERS, GRADS, schedule=schedule, evaluated=True)
    assert error(ours, reference_path(reference, MEMBERS, GRADS, factors)) < 1e-12


def test_training_goes_on_as_if_nothing_were_there():
    bare = [member.inner for member in MEMBERS]
    assert np.array_equal(wrapped_path(MEMBERS, GRADS), wrapped_path(bare, GRADS))


def test_without_decay_it_is_evaluated_where_it_trains():
    assert np.array_equal(
        wrapped_path(MEMBERS[2:], GRADS[:, :1], evaluated=True), wrapped_path(MEMBERS[2:], GRADS[:, :1])
    )


def rejected(**changed):
    ours = wrapped_path(all_wrong(MEMBERS, **changed), GRADS, evaluated=True)
    return error(ours, reference_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_weights_that_are_swapped():
    def scalars(self, hyper, step):
        keep = np.where(step > 1, 1 - hyper.decay, 0.0)
        return {"keep": keep, "fresh": 1 - keep}

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_an_average_that_begins_with_the_initial_weights():
    def scalars(self, hyper, step):
        return {"keep": hyper.decay + 0 * step, "fresh": 1 - hyper.decay + 0 * step}

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_the_weights_before_the_step():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        slots["mean"][...] = k.keep * slots["mean"] + k.fresh * theta
        step.inner()

    assert rejected(around=around)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_has_bounds(decay):
    with pytest.raises(PluginError, match=r"EMA: decay"):
        EMA(decay=decay)
