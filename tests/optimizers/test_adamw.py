import pytest
import torch

from tunelab.optimizers import Adam, AdamW
from tunelab.optimizers.adam import adam_scalars, adam_step

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["adamw"]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: AdamW) -> torch.optim.Optimizer:
    betas, decay = (member.beta1, member.beta2), member.weight_decay
    return torch.optim.AdamW(params, lr=member.lr, betas=betas, eps=member.eps, weight_decay=decay, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_is_adam_without_decay() -> None:
    bare = [AdamW(lr=0.01, weight_decay=0.0)]
    assert error(path(bare, GRADS[:, :1]), path([Adam(lr=0.01)], GRADS[:, :1])) == 0


def test_the_comparison_rejects_coupled_decay() -> None:
    def scalars(self, hyper, step):
        return {**adam_scalars(hyper, step), "weight_decay": hyper.weight_decay}

    def update(self, xp, theta, grad, slots, k, scratch):
        grad += k.weight_decay * theta
        adam_step(xp, theta, grad, slots["m"], slots["v"], k)

    ours = path([wrong(member, scalars=scalars, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_decay_after_the_step() -> None:
    def update(self, xp, theta, grad, slots, k, scratch):
        adam_step(xp, theta, grad, slots["m"], slots["v"], k)
        theta *= k.keep

    ours = path([wrong(member, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_decay_that_is_not_scheduled() -> None:
    def scalars(self, hyper, step):
        first = hyper.lr[:1]
        return {**adam_scalars(hyper, step), "keep": 1 - first * hyper.weight_decay}

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS, MOVES["cosine"])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES["cosine"])) > 1e-9


def test_the_comparison_rejects_decay_without_the_learning_rate() -> None:
    def scalars(self, hyper, step):
        return {**adam_scalars(hyper, step), "keep": 1 - hyper.weight_decay}

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9
