from collections.abc import Iterator

import pytest
import torch

from tunelab.optimizers import NAdam, NAdamW
from tunelab.optimizers.nadam import nadam_scalars, nadam_step

from .open_loop import MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["nadamw"]
GRADS = gradients(len(MEMBERS))


@pytest.fixture(autouse=True)
def _torch_keeps_its_product_in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def reference(params: list[torch.Tensor], member: NAdamW) -> torch.optim.Optimizer:
    return torch.optim.NAdam(
        params,
        lr=member.lr,
        betas=(member.beta1, member.beta2),
        eps=member.eps,
        momentum_decay=member.momentum_decay,
        weight_decay=member.weight_decay,
        decoupled_weight_decay=True,
        foreach=False,
    )


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_is_nadam_without_decay() -> None:
    bare = [NAdamW(lr=0.01, weight_decay=0.0)]
    assert error(path(bare, GRADS[:, :1]), path([NAdam(lr=0.01)], GRADS[:, :1])) == 0


def test_the_comparison_rejects_coupled_decay() -> None:
    def scalars(self, hyper, step):
        return {**nadam_scalars(hyper, step), "weight_decay": hyper.weight_decay}

    def update(self, xp, theta, grad, slots, k, scratch):
        grad += k.weight_decay * theta
        nadam_step(xp, theta, grad, slots["m"], slots["v"], k, scratch)

    ours = path([wrong(member, scalars=scalars, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_decay_after_the_step() -> None:
    def update(self, xp, theta, grad, slots, k, scratch):
        nadam_step(xp, theta, grad, slots["m"], slots["v"], k, scratch)
        theta *= k.keep

    ours = path([wrong(member, update=update) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_decay_that_is_not_scheduled() -> None:
    def scalars(self, hyper, step):
        return {**nadam_scalars(hyper, step), "keep": 1 - hyper.lr[:1] * hyper.weight_decay}

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS, MOVES["cosine"])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES["cosine"])) > 1e-9
