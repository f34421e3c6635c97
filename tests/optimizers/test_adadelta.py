import numpy as np
import pytest
import torch

from tunelab.optimizers import Adadelta

from .open_loop import COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["adadelta"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: Adadelta) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(params, lr=member.lr, rho=member.rho, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def right(g, v, d, k):
    return g * np.sqrt((d + k.eps) / (v + k.eps))


def eps_outside(g, v, d, k):
    return g * (np.sqrt(d) + k.eps) / (np.sqrt(v) + k.eps)


def eps_below_alone(g, v, d, k):
    return g * np.sqrt(d + k.eps) / np.sqrt(v + 1e-300)


def variant(direction, *, after: bool = False, scaled: bool = False) -> list[Adadelta]:
    def scalars(self, hyper, step):
        return vars(hyper)

    def update(self, xp, theta, grad, slots, k, scratch):
        v, d = slots["v"], slots["d"]
        step = right(grad, v, d, k) if after else None
        v += (1 - k.rho) * (grad**2 - v)
        step = direction(grad, v, d, k) if step is None else step
        d += (1 - k.rho) * ((step * (k.lr if scaled else 1)) ** 2 - d)
        theta -= k.lr * step

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


MISTAKES = {
    "eps outside": variant(eps_outside),
    "eps in one root only": variant(eps_below_alone),
    "yesterday's gradients": variant(right, after=True),
    "the learning rate inside the memory": variant(right, scaled=True),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    assert error(path(MISTAKES[mistake], GRADS, COSINE), torch_path(reference, MEMBERS, GRADS, COSINE)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS, COSINE), torch_path(reference, MEMBERS, GRADS, COSINE)) < 1e-12
