import numpy as np
import pytest
import torch

from tunelab.optimizers import Adamax

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["adamax"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: Adamax) -> torch.optim.Optimizer:
    betas = (member.beta1, member.beta2)
    return torch.optim.Adamax(params, lr=member.lr, betas=betas, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def right(g, u, k):
    return np.maximum(k.beta2 * u, np.abs(g) + k.eps)


def eps_outside(g, u, k):
    return np.maximum(k.beta2 * u, np.abs(g)) + k.eps


def eps_as_a_floor(g, u, k):
    return np.maximum(np.maximum(k.beta2 * u, np.abs(g)), k.eps)


def for_ever(g, u, k):
    return np.maximum(u, np.abs(g) + k.eps)


def variant(norm, *, corrected: bool = True) -> list[Adamax]:
    def scalars(self, hyper, step):
        return {**vars(hyper), "c1": 1 - hyper.beta1**step if corrected else np.ones_like(hyper.beta1)}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, u = slots["m"], slots["u"]
        m += (1 - k.beta1) * (grad - m)
        u[:] = norm(grad, u, k)
        theta -= k.lr * m / (k.c1 * u)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


MISTAKES = {
    "eps outside": variant(eps_outside),
    "eps as a floor": variant(eps_as_a_floor),
    "a largest gradient for ever": variant(for_ever),
    "no correction": variant(right, corrected=False),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    assert error(path(MISTAKES[mistake], GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
