import numpy as np
import pytest
import torch

from tunelab.models.losses import MeanSquaredError
from tunelab.optimizers import Adafactor
from tunelab.training.network import LayerNetwork

from .open_loop import COSINE, MOVES, wrong
from .tensor_loop import Tensors, reference_path, tensor_error, tensor_gradients, tensor_path, torch_reference
from .tensor_rules import TENSOR_POPULATIONS

MEMBERS = TENSOR_POPULATIONS["adafactor"]
GRADS = tensor_gradients(len(MEMBERS))


@torch_reference
def reference(rule, params):
    return [
        torch.optim.Adafactor(
            params,
            lr=rule.lr,
            beta2_decay=-rule.decay,
            eps=(rule.eps1, rule.eps2),
            d=rule.clip,
            weight_decay=rule.weight_decay,
            foreach=False,
        )
    ]


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = tensor_path(MEMBERS, GRADS, MOVES[move])
    assert tensor_error(ours, reference_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


def test_equals_torch_on_a_stack_of_matrices() -> None:
    """Both factor over the last two axes; torch's layout is turned round, so the stack is one of the same shape."""
    network = LayerNetwork((Tensors(((3, 4, 3),)),), MeanSquaredError())
    grads = tensor_gradients(1, steps=100, network=network)

    def straight(rule, tensors):
        step = reference(rule, [tensor.T for tensor in tensors])  # turned round twice: as it lies

        def untransposed(found, lr):
            return [tensor.T for tensor in step([grad.T for grad in found], lr)]

        return untransposed

    ours = tensor_path(MEMBERS[1:2], grads, COSINE[:100], network=network)
    assert (
        tensor_error(ours, reference_path(straight, MEMBERS[1:2], grads, COSINE[:100], network=network), network)
        < 1e-12
    )


def variant(factored=True, capped=True, clipped=True, scaled=True, before=False, inside=False):
    def scalars(self, hyper, step):
        rate = np.minimum(hyper.lr, 1 / np.sqrt(step)) if capped else hyper.lr
        return {**vars(hyper), "weight": step**-hyper.decay, "rate": rate}

    def update(self, xp, theta, grad, slots, k, scratch):
        axes = tuple(range(1, theta.ndim))
        rms = lambda a: np.sqrt((a**2).mean(axes, keepdims=True))  # noqa: E731
        if before:
            theta *= 1 - k.lr * k.weight_decay
        size = np.maximum(k.eps2, rms(theta)) if scaled else 1.0
        squares = grad**2 + k.eps1**2 if inside else grad**2
        if theta.ndim == 3 and factored:
            for name, axis in (("row", 2), ("column", 1)):
                slots[name] += k.weight * (squares.mean(axis, keepdims=True) - slots[name])
            below = np.maximum(slots["row"].mean(1, keepdims=True), k.eps1)
            v = np.matmul(slots["row"], slots["column"]) / below
        else:
            slots["v"] += k.weight * (squares - slots["v"])
            v = slots["v"]
        u = grad / np.sqrt(v if inside else np.maximum(v, k.eps1**2))
        excess = np.maximum(1, rms(u) / k.clip) if clipped else 1.0
        if not before:
            theta *= 1 - k.lr * k.weight_decay
        theta -= k.rate * size * u / excess

    shapes = {} if factored else {"slot_shapes": lambda self, shape: {"v": shape}}
    return [wrong(member, scalars=scalars, update=update, **shapes) for member in MEMBERS]


@pytest.mark.parametrize(
    "mistake",
    [{"factored": False}, {"capped": False}, {"clipped": False}, {"scaled": False}, {"before": True}, {"inside": True}],
)
def test_the_comparison_rejects(mistake) -> None:
    few = COSINE[:100]
    assert (
        tensor_error(tensor_path(variant(**mistake), GRADS, few), reference_path(reference, MEMBERS, GRADS, few)) > 1e-9
    )


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    ours = tensor_path(variant(), GRADS, COSINE)
    assert tensor_error(ours, reference_path(reference, MEMBERS, GRADS, COSINE)) < 1e-12


def test_a_matrix_has_one_number_a_row_and_one_a_column() -> None:
    assert Adafactor().slot_shapes((7,)) == {"v": (7,)}
    assert Adafactor().slot_shapes((2, 3, 5)) == {"row": (2, 3, 1), "column": (2, 1, 5)}
