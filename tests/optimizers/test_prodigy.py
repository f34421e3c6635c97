import numpy as np
import pytest

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

POPULATIONS = {name: TENSOR_POPULATIONS[name] for name in ("prodigy", "prodigy-corrected")}
MEMBERS = POPULATIONS["prodigy"]
GRADS = tensor_gradients(len(MEMBERS))


def step_of(rule, tensors):
    """prodigyopt 1.1 (`decouple=True`), which is Mishchenko & Defazio 2024, Algorithm 3, for one member."""
    start, beta3 = [w.copy() for w in tensors], np.sqrt(rule.beta2)
    m, v, s = ([np.zeros_like(w) for w in tensors] for _ in range(3))
    t, d, numerator = 0, rule.d0, 0.0

    def step(grads, lr):
        nonlocal t, d, numerator
        t += 1
        correction = np.sqrt(1 - rule.beta2**t) / (1 - rule.beta1**t) if rule.bias_correction else 1.0
        dlr = d * lr * correction
        numerator *= beta3
        for i, g in enumerate(grads):
            numerator += d / rule.d0 * dlr * np.vdot(g, start[i] - tensors[i])
            m[i] = rule.beta1 * m[i] + d * (1 - rule.beta1) * g
            v[i] = rule.beta2 * v[i] + d**2 * (1 - rule.beta2) * g**2
            s[i] = beta3 * s[i] + d / rule.d0 * dlr * g
        length = sum(np.abs(one).sum() for one in s)
        if length > 0:
            d = max(d, rule.d_coef * numerator / length)
        for i, w in enumerate(tensors):
            w -= dlr * rule.weight_decay * w
            w -= dlr * m[i] / (np.sqrt(v[i]) + d * rule.eps)
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_the_reference(name: str, move: str) -> None:
    members = POPULATIONS[name]
    ours = tensor_path(members, GRADS, MOVES[move])
    assert tensor_error(ours, reference_path(step_of, members, GRADS, MOVES[move])) < 1e-12


def test_the_estimate_grows() -> None:
    """Otherwise the comparison would be one of AdamW at the rate d0."""
    fixed = [wrong(member, _estimate=_blind) for member in MEMBERS]
    moved, still = (tensor_path(members, GRADS) for members in (MEMBERS, fixed))
    assert (np.abs(moved - moved[0]).max((0, 2)) > 10 * np.abs(still - still[0]).max((0, 2))).any()


def _blind(self, xp, theta, grad, slots, k, d, scratch):
    return d


def variant(weighed=True, falls=False, late_eps=True, from_zero=False, across=False):
    def update(self, xp, theta, grad, slots, k, scratch):
        m, v, s, r = slots["m"], slots["v"], slots["s"], slots["r"]
        d = np.maximum(slots["d"], k.d0)
        weight = d / k.d0 * d * k.rate if weighed else d * k.rate
        way = -theta if from_zero else slots["start"] - theta
        r[...] = k.beta3 * r + weight * (grad * way).sum(None if across else 1, keepdims=True)
        s[...] = k.beta3 * s + weight * grad
        length = np.abs(s).sum(1, keepdims=True)
        found = k.d_coef * r / np.where(length > 0, length, np.inf)
        slots["d"][...] = np.maximum(k.d0, found) if falls else np.maximum(d, found)
        m[...] = k.beta1 * m + (1 - k.beta1) * d * grad
        v[...] = k.beta2 * v + (1 - k.beta2) * (d * grad) ** 2
        size = np.sqrt(v) + (slots["d"] if late_eps else d) * k.eps
        theta -= d * k.rate * (k.weight_decay * theta + m / size)

    return [wrong(member, update=update) for member in MEMBERS]


@pytest.mark.parametrize(
    "mistake", [{"weighed": False}, {"falls": True}, {"late_eps": False}, {"from_zero": True}, {"across": True}]
)
def test_the_comparison_rejects(mistake) -> None:
    ours = tensor_path(variant(**mistake), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    ours = tensor_path(variant(), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) < 1e-12
