"""Sharpness-aware minimization, against the paper's algorithm in a few lines, and with noise that must be the same."""

import numpy as np
import pytest
import torch
from training.rig import member, network, population

from tunelab.errors import PluginError
from tunelab.models import MLP
from tunelab.optimizers import SAM, SGD, Adam, ClipNorm, Momentum
from tunelab.training.population import Population

from .open_loop import error, gradients
from .wrapper_loop import MOVES, START, all_wrong, reference_path, torch_step, wrapped_path

MOMENTA = [SAM(inner=Momentum(lr=lr), rho=rho) for lr, rho in ((0.01, 0.05), (0.1, 0.5), (0.03, 2.0))]
ADAMS = [SAM(inner=Adam(lr=lr), rho=rho) for lr, rho in ((0.01, 0.05), (0.1, 0.5))]
POPULATIONS = {"momentum": MOMENTA, "adam": ADAMS}
SLOPE = np.linspace(0.01, 0.3, len(START))
OTHERS = gradients(3, seed=1)


def second(step, rows, theta):
    """Return the gradient above the place of the first one: it depends on that place."""
    return OTHERS[step, rows] + SLOPE * theta


def reference(number_of):
    def of(member, theta):
        rule, taken = member.inner, [0]
        optimizer = (
            torch.optim.Adam([theta], betas=(rule.beta1, rule.beta2), eps=rule.eps, foreach=False)
            if isinstance(rule, Adam)
            else torch.optim.SGD([theta], momentum=rule.momentum, foreach=False)
        )

        def step(grad, factor):
            uphill = member.rho * grad / (np.linalg.norm(grad) + 1e-12)
            there = second(taken[0], number_of[member], theta.numpy() + uphill)
            torch_step(optimizer, [theta], factor * rule.lr, there)
            taken[0] += 1
            return theta

        return step

    return of


def by_paper(members, grads, factors=None):
    return reference_path(reference({one: n for n, one in enumerate(members)}), members, grads, factors)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_the_paper(name, move):
    members, (schedule, factors) = POPULATIONS[name], MOVES[move]
    grads = gradients(len(members))
    ours = wrapped_path(members, grads, schedule=schedule, second=second)
    assert error(ours, by_paper(members, grads, factors)) < 1e-12


def test_a_gradient_of_zero_climbs_nowhere():
    seen = []

    def flat(step, rows, theta):
        seen.append(theta.copy())
        return np.zeros_like(theta)

    ours = wrapped_path([SAM(inner=SGD(lr=0.1))], np.zeros((3, 1, len(START))), second=flat)
    assert np.array_equal(seen, np.broadcast_to(START, (3, 1, len(START))))
    assert (ours == START).all()


def rejected(around):
    grads = gradients(len(MOMENTA))
    ours = wrapped_path(all_wrong(MOMENTA, around=around), grads, second=second)
    return error(ours, by_paper(MOMENTA, grads)) > 1e-9


def climbing(uphill, *, back=True):
    def around(self, step, xp, theta, grad, slots, k, scratch):
        start = theta.copy()
        theta += uphill(grad, k)
        step.gradient()
        if back:
            theta[...] = start
        step.inner()

    return around


def right(grad, k):
    return k.rho * grad / (np.linalg.norm(grad, axis=1, keepdims=True) + 1e-12)


def test_the_mistakes_are_all_that_is_wrong_below():
    assert not rejected(climbing(right))


MISTAKES = {
    "rho that is not normalised": climbing(lambda grad, k: k.rho * grad),
    "a step downhill": climbing(lambda grad, k: -right(grad, k)),
    "a norm over the members": climbing(lambda grad, k: k.rho * grad / (np.linalg.norm(grad) + 1e-12)),
    "a norm without its root": climbing(lambda grad, k: k.rho * grad / ((grad**2).sum(1)[:, None] + 1e-12)),
    "a step from the place uphill": climbing(right, back=False),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake):
    assert rejected(MISTAKES[mistake])


def test_outside_of_it_clipping_would_see_the_first_gradient_only():
    """That the docstring says where clipping belongs is a promise about the order of the levels."""
    grads = np.full((1, 1, len(START)), 3.0)
    large = lambda step, rows, theta: np.full_like(theta, 100.0)  # noqa: E731
    inside = wrapped_path([SAM(inner=ClipNorm(inner=SGD(lr=1.0), norm=1.0))], grads, second=large)
    outside = wrapped_path([ClipNorm(inner=SAM(inner=SGD(lr=1.0)), norm=1.0)], grads, second=large)
    assert np.linalg.norm(inside[0, 0] - START) == pytest.approx(1.0, rel=1e-6)
    assert (START - outside[0, 0]) == pytest.approx(100.0)


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)), RNG.integers(0, 4, 40)


def trained(optimizers, *, dropout=0.4, epochs=3):
    """Return each member's parameters after some epochs of mini-batches through dropout."""
    nets = network(MLP(width=16, activation="tanh", dropout=dropout), inputs=6, outputs=4)
    members = [member(n, one, steps=5, net=nets, epochs=epochs) for n, one in enumerate(optimizers)]
    group = population(members, X, Y, batch_size=8)
    for _ in range(epochs):
        list(group.epoch())
    return np.stack([one.theta for one in sorted(group.release(lambda _: True), key=lambda m: m.trial.number)])


def test_with_a_tiny_rho_it_follows_the_inner_rule_through_dropout():
    """Only if the second gradient sees the rows and the mask of the first: another mask differs by O(1)."""
    tiny = trained([SAM(inner=SGD(lr=0.2), rho=1e-9)] * 2)
    plain = trained([SGD(lr=0.2)] * 2)
    np.testing.assert_allclose(tiny, plain, rtol=1e-6, atol=1e-8)
    assert np.abs(tiny - trained([SGD(lr=0.2)] * 2, dropout=0.0)).max() > 1e-2


def test_neighbours_keep_their_noise():
    """A neighbour's second gradient draws nothing from a stream that is not its own."""
    mixed = trained([SGD(lr=0.2), SAM(inner=SGD(lr=0.2), rho=0.3), SGD(lr=0.2), SAM(inner=SGD(lr=0.2), rho=0.3)])
    plain = trained([SGD(lr=0.2)] * 4)
    np.testing.assert_array_equal(mixed[[0, 2]], plain[[0, 2]])
    assert (mixed[[1, 3]] != plain[[1, 3]]).any()


def test_the_comparison_rejects_noise_that_is_drawn_again(monkeypatch):
    def forgetful(self, where):
        self._passes_of(where).gradient(*(part if len(part) == 1 else part[where] for part in self._batch))

    monkeypatch.setattr(Population, "_gradient_again", forgetful)
    tiny = trained([SAM(inner=SGD(lr=0.2), rho=1e-9)] * 2)
    assert np.abs(tiny - trained([SGD(lr=0.2)] * 2)).max() > 1e-3


@pytest.mark.parametrize("rho", [0.0, -0.1, float("inf")])
def test_a_length_is_a_positive_number(rho):
    with pytest.raises(PluginError, match=r"SAM: rho"):
        SAM(rho=rho)
