import pytest
import torch

from tunelab.optimizers import Momentum, Nesterov

from .open_loop import COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["nesterov"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: Nesterov) -> torch.optim.Optimizer:
    # torch refuses nesterov=True at momentum 0, where the rule is SGD
    return torch.optim.SGD(params, lr=member.lr, momentum=member.momentum, nesterov=member.momentum > 0)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_the_comparison_rejects_momentum_without_the_look_ahead() -> None:
    plain = [Momentum(lr=member.lr, momentum=member.momentum) for member in MEMBERS]
    assert error(path(plain, GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_learning_rate_inside_the_memory() -> None:
    def update(self, xp, theta, grad, slots, k, scratch):
        b = slots["decayed"]  # v = mu v - lr g; theta += mu v - lr g
        b *= k.momentum
        b -= k.lr * grad
        theta += k.momentum * b - k.lr * grad

    inside = [wrong(member, update=update) for member in MEMBERS]
    assert error(path(inside, GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
    assert error(path(inside, GRADS, COSINE), torch_path(reference, MEMBERS, GRADS, COSINE)) > 1e-9
