import numpy as np
import pytest

from tunelab.optimizers import SOAP

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import mild, reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["soap"]
RAW = tensor_gradients(len(MEMBERS), steps=300)  # the reference is slow
GRADS = mild(RAW)
GRADS[100:150] = RAW[100:150] * 1e-3


def step_of(rule, tensors):
    """Vyas et al. 2025, Algorithm 3, with the power iteration of Algorithm 4 and the first step skipped, as published.

    The first gradient leaves directions that nothing tells apart; eigh decides among them by rounding, so that L and R
    must be formed bit by bit as the rule forms them.
    """
    means, squares = ([np.zeros_like(w) for w in tensors] for _ in range(2))
    sums = [[np.zeros((axis, axis)) for axis in w.shape] if w.ndim == 2 else [] for w in tensors]
    bases: list = [None] * len(tensors)
    t = -1

    def turned(x, basis, back):
        for axis, q in enumerate(basis):
            x = np.moveaxis(np.tensordot(q, x, (1 if back else 0, axis)), 0, axis)
        return x

    def step(grads, lr):
        nonlocal t
        t += 1
        for i, (w, g) in enumerate(zip(tensors, grads, strict=True)):
            if t > 0:
                means[i] = rule.beta1 * means[i] + (1 - rule.beta1) * g
                squares[i] = rule.beta2 * squares[i] + (1 - rule.beta2) * turned(g, bases[i], False) ** 2
                change = turned(means[i], bases[i], False) / (np.sqrt(squares[i]) + rule.eps)
                w -= lr * (1 - rule.beta2**t) ** 0.5 / (1 - rule.beta1**t) * turned(change, bases[i], True)
                w -= lr * rule.weight_decay * w
            for axis, total in enumerate(sums[i]):
                unfolded = g if axis == 0 else g.T
                total[...] = rule.beta2 * total + (1 - rule.beta2) * (unfolded @ unfolded.T)
            if t == 0:
                bases[i] = [np.linalg.eigh(total)[1][:, ::-1] for total in sums[i]]
            elif t % rule.every == 0:
                for axis, total in enumerate(sums[i]):
                    q = bases[i][axis]
                    order = np.argsort(-np.diag(q.T @ total @ q))
                    squares[i] = np.take(squares[i], order, axis)
                    bases[i][axis] = np.linalg.qr(total @ q[:, order])[0]
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_reference(move: str) -> None:
    few = MOVES[move][:300]
    assert tensor_error(tensor_path(MEMBERS, GRADS, few), reference_path(step_of, MEMBERS, GRADS, few)) < 1e-11


def test_the_first_step_moves_nothing() -> None:
    np.testing.assert_array_equal(
        tensor_path(MEMBERS, GRADS[:1], np.ones(1)), tensor_path(MEMBERS, 0 * GRADS[:1], np.ones(1))
    )


def changed(**mistake):
    """The rule with another number among its scalars."""

    def scalars(self, hyper, step):
        found = dict(SOAP.scalars(self, hyper, step))
        return found | {name: other(found, hyper, step) for name, other in mistake.items()}

    return [wrong(member, scalars=scalars) for member in MEMBERS]


MISTAKES = {
    "bases that stay": {"due": lambda k, hyper, step: 0.0},
    "bases renewed one step late": {
        "due": lambda k, hyper, step: np.where((step > 2) & ((step - 2) % 10 == 0), 1.0, 0.0)
    },
    "corrections of one step more": {
        "rate": lambda k, hyper, step: hyper.lr * (1 - hyper.beta2**step) ** 0.5 / (1 - hyper.beta1**step)
    },
    "no corrections": {"rate": lambda k, hyper, step: np.where(step == 1, 0.0, hyper.lr)},
    "eps after the correction": {
        "eps": lambda k, hyper, step: hyper.eps * (1 - hyper.beta2 ** np.maximum(step - 1, 1)) ** 0.5
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    few = COSINE[:100]
    ours = tensor_path(changed(**MISTAKES[mistake]), GRADS, few)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, few)) > 1e-9


def test_the_comparison_rejects_adam_without_a_basis() -> None:
    few, flat = COSINE[:100], [SOAP(**(dict(member) | {"longest": 1})) for member in MEMBERS]
    assert tensor_error(tensor_path(flat, GRADS, few), reference_path(step_of, MEMBERS, GRADS, few)) > 1e-9


def test_a_long_axis_keeps_its_basis() -> None:
    assert "left" not in SOAP(longest=8).slot_shapes((9, 8))
    assert SOAP(longest=8).slot_shapes((9, 8))["right_basis"] == (8, 8)
