import numpy as np
import pytest
import torch

from tunelab.optimizers import Adam, AMSGrad

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["amsgrad"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: AMSGrad) -> torch.optim.Optimizer:
    betas = (member.beta1, member.beta2)
    return torch.optim.Adam(params, lr=member.lr, betas=betas, eps=member.eps, amsgrad=True, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_the_comparison_rejects_adam() -> None:
    adam = [Adam(**dict(member)) for member in MEMBERS]
    assert error(path(adam, GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def right(m, v, w, k):
    w[:] = np.maximum(w, v)
    return (m / k.c1) / (np.sqrt(w / k.c2) + k.eps)


def optax_form(m, v, w, k):
    w[:] = np.maximum(w, v / k.c2)
    return (m / k.c1) / (np.sqrt(w) + k.eps)


def paper_form(m, v, w, k):
    w[:] = np.maximum(w, v)
    return m / (np.sqrt(w) + k.eps)


def fed_back(m, v, w, k):
    w[:] = v[:] = np.maximum(w, v)
    return (m / k.c1) / (np.sqrt(w / k.c2) + k.eps)


def variant(direction) -> list[AMSGrad]:
    def scalars(self, hyper, step):
        return {**vars(hyper), "c1": 1 - hyper.beta1**step, "c2": 1 - hyper.beta2**step}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, v = slots["m"], slots["v"]
        m += (1 - k.beta1) * (grad - m)
        v += (1 - k.beta2) * (grad**2 - v)
        theta -= k.lr * direction(m, v, slots["largest"], k)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("direction", [optax_form, paper_form, fed_back])
def test_the_comparison_rejects(direction) -> None:
    assert error(path(variant(direction), GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
