import numpy as np
import pytest
import torch

from tunelab.optimizers import Adam

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["adam"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: Adam) -> torch.optim.Optimizer:
    betas = (member.beta1, member.beta2)
    return torch.optim.Adam(params, lr=member.lr, betas=betas, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def eps_inside(m, v, c1, c2, k):
    return (m / c1) / np.sqrt(v / c2 + k.eps)


def eps_before_correction(m, v, c1, c2, k):
    return (m / c1) / ((np.sqrt(v) + k.eps) / np.sqrt(c2))


def no_correction(m, v, c1, c2, k):
    return m / (np.sqrt(v) + k.eps)


def no_correction_of_the_mean(m, v, c1, c2, k):
    return m / (np.sqrt(v / c2) + k.eps)


def no_correction_of_the_squares(m, v, c1, c2, k):
    return (m / c1) / (np.sqrt(v) + k.eps)


def right(m, v, c1, c2, k):
    return (m / c1) / (np.sqrt(v / c2) + k.eps)


def variant(direction) -> list[Adam]:
    def scalars(self, hyper, step):
        return {**vars(hyper), "c1": 1 - hyper.beta1**step, "c2": 1 - hyper.beta2**step}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, v = slots["m"], slots["v"]
        m += (1 - k.beta1) * (grad - m)
        v += (1 - k.beta2) * (grad**2 - v)
        theta -= k.lr * direction(m, v, k.c1, k.c2, k)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize(
    "direction",
    [eps_inside, eps_before_correction, no_correction, no_correction_of_the_mean, no_correction_of_the_squares],
)
def test_the_comparison_rejects(direction) -> None:
    assert error(path(variant(direction), GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12


def test_the_comparison_rejects_a_step_counted_from_zero() -> None:
    def scalars(self, hyper, step):
        return Adam.scalars(self, hyper, step + 1)

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9
