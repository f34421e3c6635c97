from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tunelab.optimizers import NAdam

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["nadam"]
GRADS = gradients(len(MEMBERS))


@pytest.fixture(autouse=True)
def _torch_keeps_its_product_in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def reference(params: list[torch.Tensor], member: NAdam) -> torch.optim.Optimizer:
    betas, decay = (member.beta1, member.beta2), member.momentum_decay
    return torch.optim.NAdam(params, lr=member.lr, betas=betas, eps=member.eps, momentum_decay=decay, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def mu(hyper, step):
    return hyper.beta1 * (1 - 0.5 * 0.96 ** (step * hyper.momentum_decay))


def right(hyper, step):
    now, ahead = mu(hyper, step), mu(hyper, step + 1)
    product = np.cumprod(now, axis=0)
    return (1 - now) / (1 - product), ahead / (1 - product * ahead)


def optax_form(hyper, step):
    return (1 - hyper.beta1) / (1 - hyper.beta1**step), hyper.beta1 / (1 - hyper.beta1 ** (step + 1))


def mean_not_ahead(hyper, step):
    now = mu(hyper, step)
    product = np.cumprod(now, axis=0)
    return (1 - now) / (1 - product), now / (1 - product)


def product_as_a_power(hyper, step):
    now, ahead = mu(hyper, step), mu(hyper, step + 1)
    return (1 - now) / (1 - now**step), ahead / (1 - ahead ** (step + 1))


def variant(weights) -> list[NAdam]:
    def scalars(self, hyper, step):
        gradient, mean = weights(hyper, step)
        return {**vars(hyper), "c2": 1 - hyper.beta2**step, "gradient": gradient, "mean": mean}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, v = slots["m"], slots["v"]
        m += (1 - k.beta1) * (grad - m)
        v += (1 - k.beta2) * (grad**2 - v)
        theta -= k.lr * (k.gradient * grad + k.mean * m) / (np.sqrt(v / k.c2) + k.eps)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("weights", [optax_form, mean_not_ahead, product_as_a_power])
def test_the_comparison_rejects(weights) -> None:
    assert error(path(variant(weights), GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12


@pytest.mark.parametrize("beta1", [0.0, 0.9, 0.996])
@pytest.mark.parametrize("momentum_decay", [0.0, 0.004, 0.5])
def test_steps_late_in_training_equal_those_of_the_whole_run_beside_anybody(
    beta1: float, momentum_decay: float
) -> None:
    def scalars(members, step):
        names = ("beta1", "beta2", "eps", "momentum_decay")
        hyper = {name: np.array([[getattr(member, name)] for member in members]) for name in names}
        return members[0].scalars(SimpleNamespace(lr=np.ones((len(step), len(members), 1)), **hyper), step)

    member = NAdam(beta1=beta1, momentum_decay=momentum_decay)
    step = np.arange(1.0, 10_001).reshape(-1, 1, 1)
    whole = scalars([member], step)
    for rate in ("rate", "rate_ahead"):
        assert np.isfinite(whole[rate]).all()
    for late in (slice(1, 300), slice(120, 140), slice(9_990, None)):
        piece = scalars([NAdam(beta1=0.999, momentum_decay=10.0), member, NAdam(beta1=0.1)], step[late])
        for rate in ("rate", "rate_ahead"):
            np.testing.assert_array_equal(piece[rate][:, 1:2], whole[rate][late])
