import numpy as np
import pytest

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

POPULATIONS = {name: TENSOR_POPULATIONS[name] for name in ("d-adaptation", "d-adaptation-corrected")}
MEMBERS = POPULATIONS["d-adaptation"]
GRADS = tensor_gradients(len(MEMBERS))


def step_of(rule, tensors):
    """Defazio & Mishchenko 2023, Algorithm 5 (Adam), as dadaptation and optax have it, for one member."""
    b = np.sqrt(rule.beta2)
    m, v, s = ([np.zeros_like(w) for w in tensors] for _ in range(3))
    t, d, numerator = 0, rule.d0, 0.0

    def step(grads, lr):
        nonlocal t, d, numerator
        t += 1
        correction = np.sqrt(1 - rule.beta2**t) / (1 - rule.beta1**t) if rule.bias_correction else 1.0
        dlr = d * lr * correction
        product = sum(np.vdot(g, s[i] / (np.sqrt(v[i]) + rule.eps)) for i, g in enumerate(grads))
        numerator = b * numerator + (1 - b) * dlr * product
        for i, g in enumerate(grads):
            s[i] = b * s[i] + (1 - b) * dlr * g
            m[i] = rule.beta1 * m[i] + (1 - rule.beta1) * dlr * g
            v[i] = rule.beta2 * v[i] + (1 - rule.beta2) * g**2
        length = sum(np.abs(one).sum() for one in s)
        if length > 0:
            d = max(d, numerator / ((1 - b) * length))
        for i, w in enumerate(tensors):
            w -= dlr * rule.weight_decay * w
            w -= m[i] / (np.sqrt(v[i]) + rule.eps)
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_the_reference(name: str, move: str) -> None:
    members = POPULATIONS[name]
    ours = tensor_path(members, GRADS, MOVES[move])
    assert tensor_error(ours, reference_path(step_of, members, GRADS, MOVES[move])) < 1e-12


def variant(early=True, falls=False, today=False, across=False):
    def update(self, xp, theta, grad, slots, k, scratch):
        m, v, s, r = slots["m"], slots["v"], slots["s"], slots["r"]
        d = np.maximum(slots["d"], k.d0)
        step = d * k.rate
        before, size = s.copy(), np.sqrt(v) + k.eps
        s[...] = k.beta3 * s + (1 - k.beta3) * step * grad
        v[...] = k.beta2 * v + (1 - k.beta2) * grad**2
        way = (before if early else s) / (np.sqrt(v) + k.eps if today else size)
        r[...] = k.beta3 * r + (1 - k.beta3) * step * (grad * way).sum(None if across else 1, keepdims=True)
        length = (1 - k.beta3) * np.abs(s).sum(1, keepdims=True)
        found = r / np.where(length > 0, length, np.inf)
        slots["d"][...] = np.maximum(k.d0, found) if falls else np.maximum(d, found)
        m[...] = k.beta1 * m + (1 - k.beta1) * step * grad
        theta -= step * k.weight_decay * theta + m / (np.sqrt(v) + k.eps)

    return [wrong(member, update=update) for member in MEMBERS]


@pytest.mark.parametrize(
    "mistake", [{"early": False, "today": True}, {"falls": True}, {"today": True}, {"across": True}]
)
def test_the_comparison_rejects(mistake) -> None:
    few = COSINE[:30]  # a wrong estimate may grow without end
    ours = tensor_path(variant(**mistake), GRADS, few)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, few)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    ours = tensor_path(variant(), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) < 1e-12
