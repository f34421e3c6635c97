"""The mean of the weights of the tail, against `AveragedModel` as it is."""

import math

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from tunelab.errors import PluginError
from tunelab.optimizers import SWA, Momentum

from .open_loop import STEPS, error, gradients
from .test_ema import Holder
from .wrapper_loop import MOVES, all_wrong, reference_path, torch_step, wrapped_path

EVERY_STEP = [SWA(inner=Momentum(lr=lr), start=start) for lr, start in ((0.01, 0.75), (0.1, 0.0), (0.03, 0.3333))]
NOW_AND_THEN = [SWA(inner=Momentum(lr=lr), start=start, every=7) for lr, start in ((0.01, 0.5), (0.1, 0.9), (0.1, 0.0))]
POPULATIONS = {"every step": EVERY_STEP, "now and then": NOW_AND_THEN}


def reference(member, theta):
    model, begin, taken = Holder(theta), math.ceil(member.start * STEPS), [0]
    averaged = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), momentum=member.inner.momentum, foreach=False)

    def step(grad, factor):
        torch_step(optimizer, [model.theta], factor * member.inner.lr, grad)
        taken[0] += 1
        if taken[0] <= begin:
            return model.theta.detach()
        if (taken[0] - begin - 1) % member.every == 0:
            averaged.update_parameters(model)
        return averaged.module.theta.detach()

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_torch(name, move):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule, evaluated=True)
    assert error(ours, reference_path(reference, members, grads, factors)) < 1e-12


def test_it_is_the_plain_mean_of_the_tail():
    grads = gradients(1, steps=10)
    tail = wrapped_path([Momentum(lr=0.1)], grads)[7:, 0]
    ours = wrapped_path([SWA(inner=Momentum(lr=0.1), start=0.7)], grads, evaluated=True)
    np.testing.assert_allclose(ours[-1, 0], tail.mean(0), rtol=1e-13)


def test_training_goes_on_as_if_nothing_were_there():
    grads, bare = gradients(3), [member.inner for member in EVERY_STEP]
    assert np.array_equal(wrapped_path(EVERY_STEP, grads), wrapped_path(bare, grads))


def rejected(**changed):
    grads = gradients(len(NOW_AND_THEN))
    ours = wrapped_path(all_wrong(NOW_AND_THEN, **changed), grads, evaluated=True)
    return error(ours, reference_path(reference, NOW_AND_THEN, grads)) > 1e-9


def test_the_comparison_rejects_a_tail_that_begins_one_step_early():
    def scalars(self, hyper, step):
        return SWA.scalars(self, hyper, step + 1)

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_a_mean_that_forgets_how_many_it_has():
    def scalars(self, hyper, step):
        right = SWA.scalars(self, hyper, step)
        fresh = np.where((right["fresh"] > 0) & (right["fresh"] < 1), 0.5, right["fresh"])
        return {"keep": 1 - fresh, "fresh": fresh}

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_every_step_where_it_is_every_seventh():
    def scalars(self, hyper, step):
        return SWA.scalars(self.model_copy(update={"every": 1}), hyper, step)

    assert rejected(scalars=scalars)


@pytest.mark.parametrize("fields", [{"start": -0.1}, {"start": 1.0}, {"every": 0}])
def test_fields_have_bounds(fields):
    with pytest.raises(PluginError, match=f"SWA: {next(iter(fields))}"):
        SWA(**fields)
