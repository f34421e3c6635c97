from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tunelab.optimizers import ASGD, SGD

from .open_loop import CONSTANT, COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["asgd"]
GRADS = gradients(len(MEMBERS))


@pytest.fixture(autouse=True)
def _torch_keeps_its_rate_in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def reference(params: list[torch.Tensor], member: ASGD) -> torch.optim.Optimizer:
    return torch.optim.ASGD(params, lr=member.lr, lambd=member.decay, alpha=member.power, foreach=False)


def test_equals_torch() -> None:
    assert error(path(MEMBERS, GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12


def test_equals_torch_told_of_the_learning_rate_a_step_ahead() -> None:
    ours = np.concatenate([COSINE[:1], COSINE[:-1]])  # torch takes its first two steps at one rate
    assert error(path(MEMBERS, GRADS, ours), torch_path(reference, MEMBERS, GRADS, COSINE)) < 1e-12


def test_is_not_torch_when_the_learning_rate_moves() -> None:
    assert error(path(MEMBERS, GRADS, COSINE), torch_path(reference, MEMBERS, GRADS, COSINE)) > 1e-4


@pytest.mark.parametrize("move", MOVES)
def test_is_sgd_without_decay(move: str) -> None:
    ours, sgd = [ASGD(lr=0.1, decay=0.0)], [SGD(lr=0.1)]
    assert error(path(ours, GRADS[:, :1], MOVES[move]), path(sgd, GRADS[:, :1], MOVES[move])) == 0


def counted_from_one(hyper, step):
    return hyper.lr / (1 + hyper.decay * hyper.lr * step) ** hyper.power


def without_the_learning_rate(hyper, step):
    return hyper.lr / (1 + hyper.decay * (step - 1)) ** hyper.power


def power_on_the_product(hyper, step):
    return hyper.lr / (1 + (hyper.decay * hyper.lr * (step - 1)) ** hyper.power)


def at_a_standstill(hyper, step):
    return hyper.lr


@pytest.mark.parametrize("eta", [counted_from_one, without_the_learning_rate, power_on_the_product, at_a_standstill])
def test_the_comparison_rejects(eta) -> None:
    def scalars(self, hyper, step):
        rate = eta(hyper, step)
        return {"rate": rate, "keep": 1 - hyper.decay * rate}

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS, CONSTANT)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_a_path_without_decay() -> None:
    def scalars(self, hyper, step):
        found = ASGD.scalars(self, hyper, step)
        return {**found, "keep": np.ones_like(found["keep"])}

    ours = path([wrong(member, scalars=scalars) for member in MEMBERS], GRADS)
    assert error(ours, torch_path(reference, MEMBERS, GRADS)) > 1e-9
