import numpy as np
import pytest

from tunelab.optimizers import LARS

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["lars"]
GRADS = tensor_gradients(len(MEMBERS))


def step_of(rule, tensors):
    """You, Gitman & Ginsburg 2017, Algorithm 1, with the norm of the decayed gradient, as optax has it."""
    memory = [np.zeros_like(w) for w in tensors]

    def step(grads, lr):
        for w, v, g in zip(tensors, memory, grads, strict=True):
            u = g + rule.weight_decay * w
            length, change = np.linalg.norm(w.ravel()), np.linalg.norm(u.ravel())
            local = rule.trust * length / change if length > 0 and change > 0 else 1.0
            v[...] = rule.momentum * v + lr * local * u
            w -= v
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_reference(move: str) -> None:
    assert (
        tensor_error(tensor_path(MEMBERS, GRADS, MOVES[move]), reference_path(step_of, MEMBERS, GRADS, MOVES[move]))
        < 1e-12
    )


def update(self, xp, theta, grad, slots, k, scratch, *, paper=False, outside=False, whole=False, decay_late=False):
    axes = tuple(range(1, theta.ndim))
    length = lambda a: np.sqrt((a**2).sum(axes, keepdims=True))  # noqa: E731
    u = grad + k.weight_decay * theta
    below = length(grad) + k.weight_decay * length(theta) if paper else length(grad if decay_late else u)
    above = length(theta)
    if whole:
        above, below = np.sqrt((above**2).sum(0)), np.sqrt((below**2).sum(0))
    known = (above > 0) & (below > 0)
    local = np.where(known, k.trust * above / np.where(known, below, 1), 1.0)
    rate = k.lr * local
    slots["step"][...] = k.momentum * slots["step"] + (u if outside else rate * u)
    theta -= rate * slots["step"] if outside else slots["step"]


def variant(**mistakes):
    def changed(self, *args):
        update(self, *args, **mistakes)

    return [wrong(member, update=changed) for member in MEMBERS]


@pytest.mark.parametrize("mistake", ["paper", "outside", "whole", "decay_late"])
def test_the_comparison_rejects(mistake: str) -> None:
    few = COSINE[:50]  # the learning rate outside the memory runs away later on
    assert (
        tensor_error(tensor_path(variant(**{mistake: True}), GRADS, few), reference_path(step_of, MEMBERS, GRADS, few))
        > 1e-9
    )


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert tensor_error(tensor_path(variant(), GRADS, COSINE), reference_path(step_of, MEMBERS, GRADS, COSINE)) < 1e-12


def test_a_step_is_a_fixed_part_of_the_tensor_whatever_the_gradient() -> None:
    rule = [LARS(lr=1.0, momentum=0.0, trust=0.01)]
    small, large = (tensor_path(rule, scale * GRADS[:1, :1], np.ones(1))[0, 0] for scale in (1e-3, 1e3))
    first = slice(0, 15)  # the first tensor; one of them starts at zero and takes the plain step
    np.testing.assert_allclose(small[first], large[first], rtol=1e-12)
