"""Sophia, against the paper's algorithm in a few lines with an exact Hessian, and its estimate against autograd."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training.rig import DOUBLE, member, network, population

from tunelab.contracts import Step
from tunelab.errors import PluginError
from tunelab.models import MLP
from tunelab.optimizers import Sophia
from tunelab.training.plan import plan
from tunelab.training.rules import RuleGroup

from .open_loop import ELEMENTS, error, gradients
from .wrapper_loop import MOVES, NETWORK, all_wrong, reference_path, wrapped_path

MEMBERS = [
    Sophia(lr=0.01),
    Sophia(lr=0.1, beta1=0.5, beta2=0.8, gamma=0.3, weight_decay=0.5),
    Sophia(lr=0.003, beta1=0.0, gamma=1.0, eps=1e-3, weight_decay=0.0),
]
GRADS = gradients(len(MEMBERS))
FACTOR = np.random.default_rng(5).standard_normal((ELEMENTS, ELEMENTS))
HESSIAN = FACTOR @ FACTOR.T  # positive, dense: every parameter's estimate depends on all of the noise


def second(step, rows, theta):
    """Return the gradient of theta' H theta / 2."""
    return theta @ HESSIAN


def noise(seed, step, size=ELEMENTS):
    """Return the numbers of a member's stream for the probes of a step: Philox keyed by seed and purpose."""
    bits = np.random.Philox(key=np.array([seed, 3], np.uint64), counter=[0, 0, 0, step])
    return np.random.Generator(bits).standard_normal(size)


def algorithm(number_of):
    """Algorithm 3 of the paper with Hutchinson's estimator, and its decay times the learning rate."""

    def of(rule, theta):
        m, h, taken = np.zeros(ELEMENTS), np.zeros(ELEMENTS), [0]

        def step(grad, factor):
            values, lr = theta.numpy(), factor * rule.lr
            m[:] = rule.beta1 * m + (1 - rule.beta1) * grad
            if taken[0] % rule.every == 0:
                u = noise(number_of[rule], taken[0])
                h[:] = rule.beta2 * h + (1 - rule.beta2) * u * (HESSIAN @ u)
            taken[0] += 1
            values -= lr * rule.weight_decay * values
            values -= lr * np.clip(m / np.maximum(rule.gamma * h, rule.eps), -1, 1)
            return theta

        return step

    return of


def by_paper(factors=None):
    return reference_path(algorithm({rule: n for n, rule in enumerate(MEMBERS)}), MEMBERS, GRADS, factors)


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_paper(move):
    """Not to 1e-12: the gradient of a quadratic has exact central differences, up to rounding error over r."""
    schedule, factors = MOVES[move]
    ours = wrapped_path(MEMBERS, GRADS, schedule=schedule, second=second)
    assert error(ours, by_paper(factors)) < 1e-8


def test_the_comparison_is_of_clipped_steps_and_others():
    steps = np.abs(np.diff(by_paper()[:, 2], axis=0)) / MEMBERS[2].lr
    clipped = (steps > 0.999).mean()
    assert 0.1 < clipped < 0.9


def rejected(**changed):
    return error(wrapped_path(all_wrong(MEMBERS, **changed), GRADS, second=second), by_paper()) > 1e-5


def estimating(estimate):
    """Return an `around` whose estimate of the diagonal is made of u and H u."""

    def around(self, step, xp, theta, grad, slots, k, scratch):
        if (k.due > 0).any():
            step.normal(slots["u"])
            h, u = slots["h"], slots["u"]
            h[...] = k.beta2 * h + k.fresh2 * estimate(u, u @ HESSIAN, theta, grad)
        step.inner()

    return around


def test_the_mistakes_are_all_that_is_wrong_below():
    assert not rejected(around=estimating(lambda u, hu, theta, grad: u * hu))


MISTAKES = {
    "H u without u": {"around": estimating(lambda u, hu, theta, grad: hu)},
    "u that is not squared": {"around": estimating(lambda u, hu, theta, grad: np.sign(u) * hu)},
    "the curvature's size": {"around": estimating(lambda u, hu, theta, grad: np.abs(u * hu))},
    "an empirical Fisher": {"around": estimating(lambda u, hu, theta, grad: grad**2)},
    "an estimate one step late": {
        "scalars": lambda self, hyper, step: dict(Sophia.scalars(self, hyper, step)) | {"due": step % self.every == 0}
    },
    "decay without the learning rate": {
        "scalars": lambda self, hyper, step: (
            dict(Sophia.scalars(self, hyper, step)) | {"keep": 1 - hyper.weight_decay + 0 * step}
        )
    },
    "gamma that divides": {
        "scalars": lambda self, hyper, step: (
            dict(Sophia.scalars(self, hyper, step)) | {"gamma": 1 / hyper.gamma + 0 * step}
        )
    },
    "a mean that is corrected": {
        "scalars": lambda self, hyper, step: (
            dict(Sophia.scalars(self, hyper, step)) | {"fresh": (1 - hyper.beta1) / (1 - hyper.beta1**step)}
        )
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake):
    assert rejected(**MISTAKES[mistake])


def noise_of(seed, before):
    """Return the noise that a member of this seed has in its first step after `before` others."""
    one = member(0, Sophia(), steps=100, seed=seed, net=NETWORK, epochs=1)
    one.step = before
    group = RuleGroup([one], one.theta[None].copy(), np.ones((1, ELEMENTS)), DOUBLE)
    out = np.empty((1, ELEMENTS))
    group.prepare(plan([one], [slice(0, 1)], 2, DOUBLE).scalars[0], 2)
    group.update(1)
    group.normal(out)
    return out[0]


def test_noise_is_a_function_of_seed_and_step_alone():
    assert np.array_equal(noise_of(7, 20), noise(7, 21))
    assert np.array_equal(noise_of(7, 20), noise_of(7, 20))
    assert not np.intersect1d(noise_of(7, 20), noise_of(8, 20)).size
    assert not np.intersect1d(noise_of(7, 20), noise_of(7, 21)).size


RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)
NET = network(MLP(width=4, activation="tanh"), inputs=5, outputs=3)


def torch_hessian_product(theta, u):
    """Return H u of the mean cross-entropy of the tanh network, by autograd."""

    def loss(flat):
        out = torch.from_numpy(X)
        tensors = [flat[where].reshape(parameter.shape) for _, parameter, where in NET.parameters()]
        *hidden, weight, bias = tensors
        for w, b in zip(hidden[::2], hidden[1::2], strict=True):
            out = torch.tanh(out @ w + b)
        return torch.nn.functional.cross_entropy(out @ weight + bias, torch.from_numpy(Y))

    _, product = torch.autograd.functional.hvp(loss, torch.from_numpy(theta), torch.from_numpy(u))
    return product.numpy()


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_curvature_is_that_of_autograd(scale):
    members = [member(n, Sophia(beta2=0.0), steps=1, seed=n, net=NET, epochs=1) for n in (3, 4)]
    for one in members:
        one.theta *= scale
    starts = {one.trial.number: one.theta.copy() for one in members}
    group = population(members, X, Y, batch_size=len(X))
    list(group.epoch())
    for one in group.release(lambda _: True):
        u, start = noise(one.trial.seed, 0, NET.size), starts[one.trial.number]
        exact = u * torch_hessian_product(start, u)
        np.testing.assert_array_equal(one.slots["u"], u)
        assert np.abs(one.slots["h"] - exact).max() < 1e-6 * np.abs(exact).max()


def test_it_steps_with_the_gradient_of_where_it_was():
    """After the probes, parameters and gradient are those from before them, bit for bit."""
    seen = []

    class Watched(Sophia):
        def update(self, xp, theta, grad, slots, k, scratch):
            seen.append((theta.copy(), grad.copy()))

    grads = gradients(1, steps=1)
    ours = wrapped_path([Watched()], grads, second=second)
    (theta, grad), *rest = seen
    assert not rest
    assert np.array_equal(grad, grads[0])
    assert np.array_equal(theta, ours[0])
    assert np.array_equal(theta, NETWORK.initial(0)[None])


def test_only_every_tenth_step_asks_for_more_gradients():
    calls = []

    class Counted(Step):
        def inner(self):
            calls.append("inner")

        def gradient(self):
            calls.append("gradient")

        def normal(self, out):
            out[...] = 1.0

    rule, shape = Sophia(), (1, 3)
    slots = {name: np.zeros(shape) for name in rule.slots}
    for t in range(1, 22):
        hyper = SimpleNamespace(**{name: np.array([[value]]) for name, value in rule.numbers().items()})
        k = SimpleNamespace(**rule.scalars(hyper, np.array([[float(t)]])))
        rule.around(Counted(), np, np.ones(shape), np.ones(shape), slots, k, np.empty(shape))
    assert calls.count("inner") == 21
    assert calls.count("gradient") == 2 * 3


@pytest.mark.parametrize("fields", [{"gamma": 0.0}, {"beta1": 1.0}, {"every": 0}, {"weight_decay": -1.0}])
def test_fields_have_bounds(fields):
    with pytest.raises(PluginError, match=f"Sophia: {next(iter(fields))}"):
        Sophia(**fields)
