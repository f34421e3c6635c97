"""Slow weights, against the algorithm of the paper in a few lines around torch's rules."""

import numpy as np
import pytest
import torch

from tunelab.errors import PluginError
from tunelab.optimizers import Adam, Lookahead, Momentum

from .open_loop import error, gradients
from .wrapper_loop import MOVES, START, all_wrong, reference_path, torch_step, wrapped_path

MOMENTA = [Lookahead(inner=Momentum(lr=lr), alpha=alpha) for lr, alpha in ((0.01, 0.5), (0.3, 0.8), (0.1, 1.0))]
ADAMS = [Lookahead(inner=Adam(lr=lr), alpha=alpha, every=7) for lr, alpha in ((0.01, 0.5), (0.1, 0.2))]
POPULATIONS = {"momentum": MOMENTA, "adam": ADAMS}


def algorithm(evaluated):
    def reference(member, fast):
        rule, slow, taken = member.inner, fast.clone(), [0]
        optimizer = (
            torch.optim.Adam([fast], betas=(rule.beta1, rule.beta2), eps=rule.eps, foreach=False)
            if isinstance(rule, Adam)
            else torch.optim.SGD([fast], momentum=rule.momentum, foreach=False)
        )

        def step(grad, factor):
            torch_step(optimizer, [fast], factor * rule.lr, grad)
            taken[0] += 1
            if taken[0] % member.every == 0:
                slow.add_(member.alpha * (fast - slow))
                fast.copy_(slow)
            return slow if evaluated else fast

        return step

    return reference


@pytest.mark.parametrize("evaluated", [True, False], ids=["slow", "fast"])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_the_paper(name, move, evaluated):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule, evaluated=evaluated)
    assert error(ours, reference_path(algorithm(evaluated), members, grads, factors)) < 1e-12


def test_before_the_first_slow_step_it_is_evaluated_where_it_began():
    member = Lookahead(inner=Momentum(lr=0.1), every=5)
    ours = wrapped_path([member], gradients(1, steps=9), evaluated=True)
    assert (ours[:4, 0] == START).all()
    assert (ours[4:, 0] == ours[4, 0]).all()
    assert (ours[4, 0] != START).any()


def test_all_the_way_is_the_inner_rule_alone_but_for_rounding():
    grads = gradients(1)
    ours = wrapped_path([Lookahead(inner=Adam(), alpha=1.0)], grads)
    assert error(ours, wrapped_path([Adam()], grads)) < 1e-12


def rejected(*, evaluated=False, **changed):
    grads = gradients(len(MOMENTA))
    ours = wrapped_path(all_wrong(MOMENTA, **changed), grads, evaluated=evaluated)
    return error(ours, reference_path(algorithm(evaluated), MOMENTA, grads)) > 1e-9


def test_the_comparison_rejects_alpha_of_the_slow_weights():
    def scalars(self, hyper, step):
        return {"alpha": 1 - hyper.alpha + 0 * step, "due": step % self.every == 0}

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_a_slow_step_that_comes_one_step_late():
    def scalars(self, hyper, step):
        return {"alpha": hyper.alpha + 0 * step, "due": step % self.every == 1}

    assert rejected(scalars=scalars)


def test_the_comparison_rejects_fast_weights_that_go_on():
    def around(self, step, xp, theta, grad, slots, k, scratch):
        step.inner()
        slow = slots["slow"]
        slow[...] = np.where(k.due > 0, slow + k.alpha * (theta - slow), slow)

    assert rejected(around=around)


def test_the_comparison_rejects_evaluation_at_the_fast_weights():
    def average(self, xp, theta, slots, scratch):
        pass

    assert rejected(evaluated=True, average=average)


def test_the_comparison_rejects_slow_weights_that_begin_at_zero():
    assert rejected(copies=())


@pytest.mark.parametrize("fields", [{"alpha": 0.0}, {"alpha": 1.1}, {"every": 0}])
def test_fields_have_bounds(fields):
    with pytest.raises(PluginError, match=f"Lookahead: {next(iter(fields))}"):
        Lookahead(**fields)
