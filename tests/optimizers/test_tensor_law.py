"""What holds for every rule that sees tensors, or all parameters at once, whatever its equation."""

from typing import Any

import numpy as np
import pytest
import torch

from tunelab.models.losses import MeanSquaredError
from tunelab.optimizers import SOAP, Shampoo
from tunelab.training.network import LayerNetwork

from .open_loop import COSINE
from .tensor_loop import NETWORK, Tensors, mild, starts, tensor_error, tensor_gradients, tensor_path
from .tensor_rules import TENSOR_POPULATIONS

STEPS = 60
FACTORS = COSINE[::16][:STEPS]
WIDE = LayerNetwork((Tensors(((64, 33), (33,), (9, 70), (130,), (1,), (1, 4), (3, 1))),), MeanSquaredError())

each_rule = pytest.mark.parametrize("rule", TENSOR_POPULATIONS)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@each_dtype
@each_rule
def test_members_together_equal_each_alone(rule: str, dtype: str) -> None:
    members = TENSOR_POPULATIONS[rule]
    grads = tensor_gradients(len(members), steps=STEPS, network=WIDE)
    together = tensor_path(members, grads, FACTORS, dtype=dtype, network=WIDE)
    for index, member in enumerate(members):
        alone = tensor_path([member], grads[:, index : index + 1], FACTORS, dtype=dtype, network=WIDE, seeds=[index])
        np.testing.assert_array_equal(together[:, index], alone[:, 0])


@each_rule
def test_permuted_members_give_permuted_results(rule: str) -> None:
    members = TENSOR_POPULATIONS[rule]
    grads = tensor_gradients(len(members), steps=STEPS, network=WIDE)
    ours = tensor_path(members, grads, FACTORS, network=WIDE)
    reversed_ = tensor_path(members[::-1], grads[:, ::-1], FACTORS, seeds=[2, 1, 0], network=WIDE)
    np.testing.assert_array_equal(reversed_, ours[:, ::-1])


@each_dtype
@each_rule
def test_saved_and_resumed_equals_uninterrupted(rule: str, dtype: str) -> None:
    members = TENSOR_POPULATIONS[rule]
    grads = tensor_gradients(len(members), steps=STEPS)
    ours = tensor_path(members, grads, FACTORS, dtype=dtype)
    np.testing.assert_array_equal(tensor_path(members, grads, FACTORS, dtype=dtype, packed_at=(1, 17, 40)), ours)


@each_rule
def test_torch_equals_numpy(rule: str) -> None:
    members = TENSOR_POPULATIONS[rule]
    network = (
        LayerNetwork((Tensors(((4, 4), (3,), (1, 1))),), MeanSquaredError()) if rule == "soap" else NETWORK
    )  # full rank
    grads = tensor_gradients(len(members), steps=STEPS, network=network)
    grads = mild(grads) if isinstance(members[0], Shampoo | SOAP) else grads
    ours, theirs = (tensor_path(members, grads, FACTORS, xp=xp, network=network) for xp in (np, torch))
    assert tensor_error(theirs, ours, network) < 1e-12


IN_FLOAT32 = {
    "prodigy": 0.1,  # how far it has come from the start is a difference of near equals while d is small
    "prodigy-corrected": 0.1,
    "d-adaptation": 1e-4,
    "d-adaptation-corrected": 1e-4,
    "muon": 1e-3,  # the quintic is steep at zero: small singular values of a matrix that has large ones are rounding
}


@each_rule
def test_float32_follows_float64(rule: str) -> None:
    """Not so Shampoo and SOAP: eigenvectors of what float32 cannot tell apart are its own."""
    members = TENSOR_POPULATIONS[rule]
    if not isinstance(members[0], Shampoo | SOAP):
        grads = tensor_gradients(len(members)).astype(np.float32)
        single, double = (tensor_path(members, grads, COSINE, dtype=dtype) for dtype in ("float32", "float64"))
        assert tensor_error(single, double) < IN_FLOAT32.get(rule, 1e-5)


@each_rule
def test_a_learning_rate_of_zero_moves_nothing(rule: str) -> None:
    members = TENSOR_POPULATIONS[rule]
    still = tensor_path(members, tensor_gradients(len(members), steps=STEPS), np.zeros(STEPS))
    np.testing.assert_array_equal(still, np.broadcast_to(starts(len(members)), still.shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e200])
@pytest.mark.parametrize("when", [0, 5])
@each_rule
def test_a_neighbour_that_diverges_changes_nothing(rule: str, when: int, value: float) -> None:
    members = TENSOR_POPULATIONS[rule]
    grads = tensor_gradients(len(members), steps=STEPS)
    broken = grads.copy()
    broken[when, 1] = value
    with np.errstate(all="ignore"):  # as in a population
        ours, beside = (tensor_path(members, given, FACTORS) for given in (grads, broken))
    np.testing.assert_array_equal(beside[:, ::2], ours[:, ::2])


@each_rule
def test_what_is_left_in_scratch_does_not_matter(rule: str) -> None:
    members: Any = TENSOR_POPULATIONS[rule]
    dirty = [type(f"Dirty{type(m).__name__}", (type(m),), {"update": _dirty(type(m))})(**dict(m)) for m in members]
    grads = tensor_gradients(len(members), steps=STEPS)
    np.testing.assert_array_equal(tensor_path(dirty, grads, FACTORS), tensor_path(members, grads, FACTORS))


def _dirty(rule: Any) -> Any:
    def update(self, xp, theta, grad, slots, k, scratch):
        scratch.fill(np.nan)
        rule.update(self, xp, theta, grad, slots, k, scratch)

    return update
