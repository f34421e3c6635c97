import numpy as np
import pytest

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, starts, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["schedule-free-sgd"]
GRADS = tensor_gradients(len(MEMBERS))
WARMED = np.minimum(np.arange(1, 1_001) / 50, 1.0)
FACTORS = {**MOVES, "warm-up": WARMED}


def step_of(evaluated: bool, largest: bool = False):
    """Defazio et al. 2024, Algorithm 1; or with schedulefree's weights, by the largest rate so far."""

    def made(rule, tensors):
        beta = rule.momentum
        z, x = [w.copy() for w in tensors], [w.copy() for w in tensors]
        total, top = 0.0, 0.0

        def step(grads, lr):
            nonlocal total, top
            top = max(top, lr)
            weight = (top if largest else lr) ** 2
            total += weight
            c = weight / total
            for i, g in enumerate(grads):
                y = (1 - beta) * z[i] + beta * x[i]
                z[i] = z[i] - lr * (g + rule.weight_decay * y)
                x[i] = (1 - c) * x[i] + c * z[i]
            return x if evaluated else [(1 - beta) * a + beta * b for a, b in zip(z, x, strict=True)]

        return step

    return made


@pytest.mark.parametrize("evaluated", [False, True], ids=["y", "x"])
@pytest.mark.parametrize("move", FACTORS)
def test_equals_the_reference(move: str, evaluated: bool) -> None:
    ours = tensor_path(MEMBERS, GRADS, FACTORS[move], evaluated=evaluated)
    assert tensor_error(ours, reference_path(step_of(evaluated), MEMBERS, GRADS, FACTORS[move])) < 1e-12


def test_weights_by_the_largest_rate_are_the_same_unless_a_schedule_lowers_it() -> None:
    ours = {name: tensor_path(MEMBERS, GRADS, FACTORS[name], evaluated=True) for name in ("warm-up", "cosine")}
    theirs = {name: reference_path(step_of(True, largest=True), MEMBERS, GRADS, FACTORS[name]) for name in ours}
    assert tensor_error(ours["warm-up"], theirs["warm-up"]) < 1e-12
    assert tensor_error(ours["cosine"], theirs["cosine"]) > 1e-9


def test_what_is_evaluated_is_not_what_is_trained() -> None:
    trained, evaluated = (tensor_path(MEMBERS, GRADS, evaluated=which) for which in (False, True))
    assert (np.abs(trained - evaluated).max((0, 2)) > 1e-3).all()


def test_evaluation_leaves_training_as_it_is() -> None:
    looked = tensor_path(MEMBERS, GRADS, evaluated=True, packed_at=range(10, 1_000, 10))
    np.testing.assert_array_equal(looked, tensor_path(MEMBERS, GRADS, evaluated=True))


def update(self, xp, theta, grad, slots, k, scratch, *, plain=False, at_x=False, swapped=False, late=False):
    x, z, total = slots["x"], slots["z"], slots["weights"]
    total += 1 if plain else k.weight
    c = (1 if plain else k.weight) / total
    before = z.copy()
    z -= k.lr * (grad + k.weight_decay * (x if at_x else theta))
    x += c * ((before if late else z) - x)
    near, far = (z, x) if swapped else (x, z)
    theta[...] = k.momentum * near + (1 - k.momentum) * far


def variant(**mistakes):
    def changed(self, *args):
        update(self, *args, **mistakes)

    return [wrong(member, update=changed) for member in MEMBERS]


@pytest.mark.parametrize("mistake", ["plain", "at_x", "swapped", "late"])
def test_the_comparison_rejects(mistake: str) -> None:
    ours = tensor_path(variant(**{mistake: True}), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of(False), MEMBERS, GRADS, COSINE)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    ours = tensor_path(variant(), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of(False), MEMBERS, GRADS, COSINE)) < 1e-12


def test_without_steps_what_is_evaluated_is_the_start() -> None:
    still = tensor_path(MEMBERS, GRADS[:3], np.zeros(3), evaluated=True)
    np.testing.assert_array_equal(still, np.broadcast_to(starts(len(MEMBERS)), still.shape))
