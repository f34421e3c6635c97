import numpy as np
import pytest

from tunelab.models.losses import MeanSquaredError
from tunelab.optimizers import Shampoo
from tunelab.training.network import LayerNetwork

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import Tensors, mild, reference_path, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

POPULATIONS = {name: TENSOR_POPULATIONS[name] for name in ("shampoo", "shampoo-diagonal")}
MEMBERS = POPULATIONS["shampoo"]
RAW = tensor_gradients(len(MEMBERS), steps=300)  # the reference is slow
GRADS = mild(RAW)


def power(matrix, exponent):
    u, s, _ = np.linalg.svd(matrix)
    return u * s**exponent @ u.T


def step_of(rule, tensors):
    """Gupta, Koren & Singer 2018, Algorithms 1 and 2, on a mean of gradients, for one member."""
    means = [np.zeros_like(w) for w in tensors]
    sums = [[rule.eps * np.eye(axis) for axis in w.shape] for w in tensors]
    roots = [[None for _ in w.shape] for w in tensors]
    t = 0

    def renewed(total, exponent):
        return np.diag(np.diag(total) ** exponent) if len(total) > rule.longest else power(total, exponent)

    def step(grads, lr):
        nonlocal t
        t += 1
        for w, m, total, root, g in zip(tensors, means, sums, roots, grads, strict=True):
            m[...] = rule.beta1 * m + (1 - rule.beta1) * g
            change = m / (1 - rule.beta1**t)
            for axis in range(w.ndim):
                others = [other for other in range(w.ndim) if other != axis]
                total[axis] += np.tensordot(g, g, (others, others))
                if t <= rule.every or t % rule.every == 0:
                    root[axis] = renewed(total[axis], -1 / (2 * w.ndim))
                change = np.moveaxis(np.tensordot(root[axis], change, (1, axis)), 0, axis)
            w *= 1 - lr * rule.weight_decay
            w -= lr * change
        return tensors

    return step


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", POPULATIONS)
def test_equals_the_reference(name: str, move: str) -> None:
    members, few = POPULATIONS[name], MOVES[move][:300]
    assert tensor_error(tensor_path(members, GRADS, few), reference_path(step_of, members, GRADS, few)) < 1e-11


def test_the_first_step_is_orthogonal() -> None:
    """L^(-1/4) G R^(-1/4) of one gradient G = U S V^T is U V^T."""
    network = LayerNetwork((Tensors(((6, 3),)),), MeanSquaredError())
    grads = tensor_gradients(1, network=network)[:1] + 1.0
    rule = [Shampoo(lr=1.0, beta1=0.0, weight_decay=0.0, eps=1e-12)]
    step = (network.initial(0) - tensor_path(rule, grads, np.ones(1), network=network)[0, 0]).reshape(6, 3)
    u, _, v = np.linalg.svd(grads.reshape(6, 3), full_matrices=False)
    np.testing.assert_allclose(step, u @ v, atol=1e-5)


def variant(half=False, left_only=False, forgets=False, uncorrected=False):
    def scalars(self, hyper, step):
        return {**Shampoo.scalars(self, hyper, step), "lr": hyper.lr, "correction": 1 - hyper.beta1**step}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, ndim = slots["m"], theta.ndim
        m += (1 - k.beta1) * (grad - m)
        change = m / (1 if uncorrected else k.correction)
        g = grad if ndim == 3 else grad[:, :, None]
        change = change if ndim == 3 else change[:, :, None]
        for side in ("left", "right")[: ndim - 1]:
            g, change = (g, change) if side == "left" else (g.swapaxes(1, 2), change.swapaxes(1, 2))
            total, root = slots[side], slots[f"{side}_root"]
            total *= 0.99 if forgets else 1.0
            total += g @ g.swapaxes(1, 2)
            if (k.due > 0).any():
                eps = k.eps.reshape(-1, 1, 1) * np.eye(total.shape[1])
                exponent = -1 / 2 if half or ndim == 2 else -1 / 4
                root[...] = [power(one, exponent) for one in total + eps]
            change = change if left_only and side == "right" else root @ change
            g, change = (g, change) if side == "left" else (g.swapaxes(1, 2), change.swapaxes(1, 2))
        theta *= k.keep
        theta -= k.lr * change.reshape(theta.shape)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


@pytest.mark.parametrize("mistake", [{"half": True}, {"left_only": True}, {"forgets": True}, {"uncorrected": True}])
def test_the_comparison_rejects(mistake) -> None:
    few = COSINE[:60]
    assert (
        tensor_error(tensor_path(variant(**mistake), GRADS, few), reference_path(step_of, MEMBERS, GRADS, few)) > 1e-9
    )


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    few = COSINE[:60]
    assert tensor_error(tensor_path(variant(), GRADS, few), reference_path(step_of, MEMBERS, GRADS, few)) < 1e-11
