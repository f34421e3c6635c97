import numpy as np
import pytest
import torch

from tunelab.optimizers import AdaGrad

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["adagrad"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: AdaGrad) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(params, lr=member.lr, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def eps_inside(self, xp, theta, grad, slots, k, scratch):
    slots["s"] += grad**2
    theta -= k.lr * grad / np.sqrt(slots["s"] + k.eps)


def optax_start(self, xp, theta, grad, slots, k, scratch):
    slots["s"] += grad**2
    theta -= k.lr * grad / (np.sqrt(slots["s"] + 0.1) + k.eps)


def no_memory(self, xp, theta, grad, slots, k, scratch):
    theta -= k.lr * grad / (np.abs(grad) + k.eps)


@pytest.mark.parametrize("update", [eps_inside, optax_start, no_memory])
def test_the_comparison_rejects(update) -> None:
    ours = path([wrong(member, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9
