import pytest
import torch

from tunelab.optimizers import HeavyBall, Momentum

from .open_loop import COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["momentum"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: Momentum) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=member.lr, momentum=member.momentum, dampening=member.dampening)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_the_comparison_rejects_the_learning_rate_inside_the_memory() -> None:
    inside = path([HeavyBall(lr=MEMBERS[0].lr, momentum=MEMBERS[0].momentum)], GRADS[:, :1], COSINE)
    assert error(inside, torch_path(reference, MEMBERS[:1], GRADS[:, :1], COSINE)) > 1e-9


def test_the_comparison_rejects_a_dampened_first_gradient() -> None:
    def scalars(self, hyper, step):
        return {"decay": hyper.momentum, "rate": hyper.lr * (1 - hyper.dampening)}

    ours = path([wrong(MEMBERS[1], scalars=scalars)], GRADS[:, 1:2])
    assert error(ours, torch_path(reference, MEMBERS[1:2], GRADS[:, 1:2])) > 1e-9


def test_the_comparison_rejects_an_average() -> None:
    average = Momentum(lr=MEMBERS[0].lr, momentum=0.9, dampening=0.9)
    assert error(path([average], GRADS[:, :1]), torch_path(reference, MEMBERS[:1], GRADS[:, :1])) > 1e-9
