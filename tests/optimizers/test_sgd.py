import numpy as np
import pytest
import torch

from tunelab.optimizers import SGD

from .open_loop import COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["sgd"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: SGD) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=member.lr)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_the_comparison_rejects_the_learning_rate_of_the_step_before() -> None:
    late = path(MEMBERS, GRADS, np.concatenate([COSINE[:1], COSINE[:-1]]))
    assert error(late, torch_path(reference, MEMBERS, GRADS, COSINE)) > 1e-9


def test_the_comparison_rejects_an_ascent() -> None:
    def update(self, xp, theta, grad, slots, k, scratch):
        xp.multiply(grad, k.lr, out=grad)
        xp.add(theta, grad, out=theta)

    ours = path([wrong(member, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9
