import numpy as np
import pytest

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["schedule-free-adamw"]
GRADS = tensor_gradients(len(MEMBERS))
WARMED = np.minimum(np.arange(1, 1_001) / 50, 1.0)
FACTORS = {**MOVES, "warm-up": WARMED}


def step_of(evaluated: bool, early: bool = False):
    """schedulefree 1.4 with the weights of Defazio et al. 2024; `early`: the paper's correction of the rate."""

    def made(rule, tensors):
        beta, t, total = rule.beta1, 0, 0.0
        z, x, v = [w.copy() for w in tensors], [w.copy() for w in tensors], [np.zeros_like(w) for w in tensors]

        def step(grads, lr):
            nonlocal t, total
            t += 1
            correction = 1 - rule.beta2**t
            rate = lr * np.sqrt(correction) if early else lr
            total += rate**2
            c = rate**2 / total
            for i, g in enumerate(grads):
                y = (1 - beta) * z[i] + beta * x[i]
                v[i] = rule.beta2 * v[i] + (1 - rule.beta2) * g**2
                size = np.sqrt(v[i] if early else v[i] / correction) + rule.eps
                z[i] = z[i] - rate * (g / size + rule.weight_decay * y)
                x[i] = (1 - c) * x[i] + c * z[i]
            return x if evaluated else [(1 - beta) * a + beta * b for a, b in zip(z, x, strict=True)]

        return step

    return made


@pytest.mark.parametrize("evaluated", [False, True], ids=["y", "x"])
@pytest.mark.parametrize("move", FACTORS)
def test_equals_the_reference(move: str, evaluated: bool) -> None:
    ours = tensor_path(MEMBERS, GRADS, FACTORS[move], evaluated=evaluated)
    assert tensor_error(ours, reference_path(step_of(evaluated), MEMBERS, GRADS, FACTORS[move])) < 1e-12


def test_the_comparison_rejects_the_correction_in_the_rate() -> None:
    ours = tensor_path(MEMBERS, GRADS)
    assert tensor_error(ours, reference_path(step_of(False, early=True), MEMBERS, GRADS)) > 1e-9


def variant(coupled=False, uncorrected=False, plain=False):
    def scalars(self, hyper, step):
        return {**vars(hyper), "c2": 1 - hyper.beta2**step, "weight": hyper.lr**2}

    def update(self, xp, theta, grad, slots, k, scratch):
        x, z, v, total = slots["x"], slots["z"], slots["v"], slots["weights"]
        grad = grad + k.weight_decay * theta if coupled else grad
        v += (1 - k.beta2) * (grad**2 - v)
        total += 1 if plain else k.weight
        direction = grad / (np.sqrt(v if uncorrected else v / k.c2) + k.eps)
        z -= k.lr * (direction if coupled else direction + k.weight_decay * theta)
        x += (1 if plain else k.weight) / total * (z - x)
        theta[...] = k.beta1 * x + (1 - k.beta1) * z

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("mistake", ["coupled", "uncorrected", "plain"])
def test_the_comparison_rejects(mistake: str) -> None:
    ours = tensor_path(variant(**{mistake: True}), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of(False), MEMBERS, GRADS, COSINE)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    ours = tensor_path(variant(), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of(False), MEMBERS, GRADS, COSINE)) < 1e-12


def test_what_is_evaluated_is_not_what_is_trained() -> None:
    trained, evaluated = (tensor_path(MEMBERS, GRADS, evaluated=which) for which in (False, True))
    assert (np.abs(trained - evaluated).max((0, 2)) > 1e-3).all()
