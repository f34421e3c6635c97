import numpy as np
import pytest
import torch

from tunelab.optimizers import Muon
from tunelab.optimizers.muon import orthogonal

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import reference_path, tensor_error, tensor_gradients, tensor_path, torch_reference
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["muon"]
GRADS = tensor_gradients(len(MEMBERS))


def step_of(rule, tensors):
    """torch.optim.Muon in float64 on matrices (outputs, inputs), and AdamW, written out for one member."""
    means, squares = [np.zeros_like(w) for w in tensors], [np.zeros_like(w) for w in tensors]
    t = 0

    def quintic(g):
        x = g / max(np.linalg.norm(g), 1e-7)
        x = x.T if len(g) > len(g[0]) else x
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x.T if len(g) > len(g[0]) else x

    def step(grads, lr):
        nonlocal t
        t += 1
        adam_lr = lr / rule.lr * rule.adam_lr
        for w, m, v, g in zip(tensors, means, squares, grads, strict=True):
            if w.ndim == 2:
                weight, gradient = w.T, g.T
                m += (1 - rule.momentum) * (g - m)
                o = quintic((1 - rule.momentum) * gradient + rule.momentum * m.T)
                w *= 1 - lr * rule.weight_decay
                w -= lr * max(1, weight.shape[0] / weight.shape[1]) ** 0.5 * o.T
            else:
                m += (1 - rule.adam_beta1) * (g - m)
                v += (1 - rule.adam_beta2) * (g**2 - v)
                size = np.sqrt(v / (1 - rule.adam_beta2**t)) + rule.adam_eps
                w *= 1 - adam_lr * rule.weight_decay
                w -= adam_lr * m / (1 - rule.adam_beta1**t) / size
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_reference_in_float64(move: str) -> None:
    ours = tensor_path(MEMBERS, GRADS, MOVES[move])
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, MOVES[move])) < 1e-12


@torch_reference
def in_torch(rule, params):
    """torch.optim.Muon, which iterates in bfloat16, and torch.optim.AdamW; a schedule multiplies both rates."""
    matrices = [param for param in params if param.ndim == 2]
    others = [param for param in params if param.ndim != 2]
    muon = torch.optim.Muon(matrices, lr=rule.lr, momentum=rule.momentum, weight_decay=rule.weight_decay)
    betas, decay = (rule.adam_beta1, rule.adam_beta2), rule.weight_decay
    adam = torch.optim.AdamW(others, betas=betas, eps=rule.adam_eps, weight_decay=decay, foreach=False)
    adam.param_groups[0]["times"] = rule.adam_lr / rule.lr
    return muon, adam


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch_but_for_bfloat16(move: str) -> None:
    ours = tensor_path(MEMBERS, GRADS, MOVES[move])
    assert tensor_error(ours, reference_path(in_torch, MEMBERS, GRADS, MOVES[move])) < 2e-2


def variant(nesterov=True, upright=True, sums=False, unscaled=False):
    def update(self, xp, theta, grad, slots, k, scratch):
        if theta.ndim != 3:
            return Muon.update(self, xp, theta, grad, slots, k, scratch)
        m, (inputs, outputs) = slots["m"], theta.shape[1:]
        m[...] = k.momentum * m + (1 if sums else k.fresh) * grad
        seen = (1 if sums else k.fresh) * grad + k.momentum * m if nesterov else m
        ratio = outputs / inputs if upright else inputs / outputs
        theta *= k.keep
        theta -= k.lr * (1.0 if unscaled else max(1, ratio) ** 0.5) * orthogonal(np, np.array(seen), scratch)
        return None

    return [wrong(member, update=update) for member in MEMBERS]


@pytest.mark.parametrize("mistake", [{"nesterov": False}, {"upright": False}, {"unscaled": True}])
def test_the_comparison_rejects(mistake) -> None:
    ours = tensor_path(variant(**mistake), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) > 1e-9
    assert tensor_error(ours, reference_path(in_torch, MEMBERS, GRADS, COSINE)) > 2e-2


@pytest.mark.parametrize("right", [{}, {"sums": True}])
def test_the_comparison_rejects_the_variants_for_their_mistakes_alone(right) -> None:
    """A sum in place of the mean is no mistake: the quintic divides the length out."""
    ours = tensor_path(variant(**right), GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) < 1e-11


def test_the_comparison_rejects_a_schedule_that_leaves_adam_alone() -> None:
    class Half(Muon):
        scheduled = ("lr",)

    ours = tensor_path([Half(**dict(member)) for member in MEMBERS], GRADS, COSINE)
    assert tensor_error(ours, reference_path(step_of, MEMBERS, GRADS, COSINE)) > 1e-9
