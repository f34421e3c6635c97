import numpy as np
import pytest
import torch

from tunelab.optimizers import RMSprop

from .open_loop import COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["rmsprop"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: RMSprop) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(params, lr=member.lr, alpha=member.rho, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def eps_inside(hyper, step):
    return {"start": 0.0, "inside": hyper.eps, "outside": 0.0, "lr": hyper.lr}


def bias_corrected(hyper, step):
    root = np.sqrt(1 - hyper.rho**step)
    return {"start": 0.0, "inside": 0.0, "outside": hyper.eps * root, "lr": hyper.lr * root}


def tensorflow_start(hyper, step):
    return {"start": hyper.rho**step, "inside": 0.0, "outside": hyper.eps, "lr": hyper.lr}


def right(hyper, step):
    return {"start": 0.0, "inside": 0.0, "outside": hyper.eps, "lr": hyper.lr}


def variant(change) -> list[RMSprop]:
    def scalars(self, hyper, step):
        return {"rho": hyper.rho, **change(hyper, step)}

    def update(self, xp, theta, grad, slots, k, scratch):
        v = slots["v"]
        v += (1 - k.rho) * (grad**2 - v)
        theta -= k.lr * grad / (np.sqrt(v + k.start + k.inside) + k.outside)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("change", [eps_inside, bias_corrected, tensorflow_start])
def test_the_comparison_rejects(change) -> None:
    assert error(path(variant(change), GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12


def test_the_comparison_rejects_the_learning_rate_inside_the_memory() -> None:
    def update(self, xp, theta, grad, slots, k, scratch):
        slots["v"] *= k.rho
        slots["v"] += grad**2 / k.rate**2
        theta -= grad / (np.sqrt(slots["v"]) + k.eps / k.rate)

    inside = [wrong(member, update=update) for member in MEMBERS]
    assert error(path(inside, GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
    assert error(path(inside, GRADS, COSINE), torch_path(reference, MEMBERS, GRADS, COSINE)) > 1e-9
