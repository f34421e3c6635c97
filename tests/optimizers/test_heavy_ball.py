import numpy as np
import pytest

from tunelab.optimizers import HeavyBall, Momentum

from .open_loop import COSINE, MOVES, error, gradients, path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["heavy-ball"]
GRADS = gradients(len(MEMBERS))


def reference(members: list[HeavyBall], grads: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The article's equation, with three whole points in place of a memory of displacements."""
    thetas = [np.zeros(grads.shape[1:]), np.zeros(grads.shape[1:])]
    lr = np.array([[member.lr] for member in members])
    momentum = np.array([[member.momentum] for member in members])
    for grad, factor in zip(grads, factors, strict=True):
        before, now = thetas[-2:]
        thetas.append(now - factor * lr * grad + momentum * (now - before))
    return np.array(thetas[2:])


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_articles_equation(move: str) -> None:
    assert error(path(MEMBERS, GRADS, MOVES[move]), reference(MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_is_momentum_while_the_learning_rate_stands_still() -> None:
    same = [Momentum(lr=member.lr, momentum=member.momentum) for member in MEMBERS]
    assert error(path(MEMBERS, GRADS), path(same, GRADS)) < 1e-12


def test_is_not_momentum_when_the_learning_rate_moves() -> None:
    same = [Momentum(lr=member.lr, momentum=member.momentum) for member in MEMBERS]
    apart = [
        error(path([a], GRADS[:, :1], COSINE), path([b], GRADS[:, :1], COSINE))
        for a, b in zip(MEMBERS, same, strict=True)
    ]
    assert apart[0] > 1e-4
    assert apart[1] > 1e-4
    assert apart[2] < 1e-12  # nothing is remembered at momentum 0


def test_follows_momentum_over_the_documented_bridge() -> None:
    momentum, lr = MEMBERS[0].momentum, MEMBERS[0].lr * COSINE
    ratio = np.concatenate([[1.0], lr[1:] / lr[:-1]])

    def scalars(self, hyper, step):
        return {"lr": hyper.lr, "momentum": hyper.momentum * ratio[:, None, None]}

    ours = path([wrong(MEMBERS[0], scalars=scalars)], GRADS[:, :1], COSINE)
    assert error(ours, path([Momentum(lr=MEMBERS[0].lr, momentum=momentum)], GRADS[:, :1], COSINE)) < 1e-12


def test_the_comparison_rejects_the_learning_rate_outside_the_memory() -> None:
    same = [Momentum(lr=member.lr, momentum=member.momentum) for member in MEMBERS]
    assert error(path(same, GRADS, COSINE), reference(MEMBERS, GRADS, COSINE)) > 1e-9
