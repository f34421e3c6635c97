import numpy as np
import pytest

from tunelab.optimizers import LAMB

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["lamb"]
GRADS = tensor_gradients(len(MEMBERS))


def step_of(rule, tensors):
    """You et al. 2020, Algorithm 2, phi(z) = z."""
    state = [(np.zeros_like(x), np.zeros_like(x)) for x in tensors]
    t = 0

    def step(grads, lr):
        nonlocal t
        t += 1
        for x, (m, v), g in zip(tensors, state, grads, strict=True):
            m[...] = rule.beta1 * m + (1 - rule.beta1) * g
            v[...] = rule.beta2 * v + (1 - rule.beta2) * g**2
            r = m / (1 - rule.beta1**t) / (np.sqrt(v / (1 - rule.beta2**t)) + rule.eps)
            u = r + rule.weight_decay * x
            length, change = np.linalg.norm(x.ravel()), np.linalg.norm(u.ravel())
            x -= lr * (length / change if length > 0 and change > 0 else 1.0) * u
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_reference(move: str) -> None:
    assert (
        tensor_error(tensor_path(MEMBERS, GRADS, MOVES[move]), reference_path(step_of, MEMBERS, GRADS, MOVES[move]))
        < 1e-12
    )


def variant(corrected=True, decayed=True, across=False, clipped=None):
    def scalars(self, hyper, step):
        return {**vars(hyper), "c1": 1 - hyper.beta1**step, "c2": 1 - hyper.beta2**step}

    def update(self, xp, theta, grad, slots, k, scratch):
        axes = tuple(range(0 if across else 1, theta.ndim))
        length = lambda a: np.sqrt((a**2).sum(axes, keepdims=True))  # noqa: E731
        m, v = slots["m"], slots["v"]
        m += (1 - k.beta1) * (grad - m)
        v += (1 - k.beta2) * (grad**2 - v)
        r = (m / k.c1) / (np.sqrt(v / k.c2) + k.eps) if corrected else m / (np.sqrt(v) + k.eps)
        u = r + k.weight_decay * theta
        above, below = length(theta), length(u if decayed else r)
        above = above if clipped is None else np.minimum(above, clipped)
        known = (above > 0) & (below > 0)
        theta -= k.lr * np.where(known, above / np.where(known, below, 1), 1.0) * u

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("mistake", [{"corrected": False}, {"decayed": False}, {"across": True}, {"clipped": 0.5}])
def test_the_comparison_rejects(mistake) -> None:
    reference = reference_path(step_of, MEMBERS, GRADS, COSINE)
    assert tensor_error(tensor_path(variant(**mistake), GRADS, COSINE), reference) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert tensor_error(tensor_path(variant(), GRADS, COSINE), reference_path(step_of, MEMBERS, GRADS, COSINE)) < 1e-12


def test_a_step_is_a_fixed_part_of_the_tensor() -> None:
    start = tensor_path([LAMB(lr=1e-12)], GRADS[:1, :1], np.ones(1))[0, 0, :15]
    after = tensor_path([LAMB(lr=0.01)], GRADS[:1, :1], np.ones(1))[0, 0, :15]
    np.testing.assert_allclose(np.linalg.norm(after - start), 0.01 * np.linalg.norm(start), rtol=1e-9)
