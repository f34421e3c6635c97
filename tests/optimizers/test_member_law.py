"""What holds for every rule, whatever its equation."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from .open_loop import COSINE, error, gradients, path, scalars
from .rules import POPULATIONS

STEPS = 60
FACTORS = COSINE[::16][:STEPS]

each_rule = pytest.mark.parametrize("rule", POPULATIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@each_dtype
@each_rule
def test_members_together_equal_each_alone(rule: str, dtype: type[np.floating[Any]]) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members), steps=STEPS, elements=1_003)
    together = path(members, grads, FACTORS, dtype=dtype)
    for index, member in enumerate(members):
        alone = path([member], grads[:, index : index + 1], FACTORS, dtype=dtype)
        np.testing.assert_array_equal(together[:, index], alone[:, 0])


@each_rule
def test_permuted_members_give_permuted_results(rule: str) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members), steps=STEPS)
    ours = path(members, grads, FACTORS)
    np.testing.assert_array_equal(path(members[::-1], grads[:, ::-1], FACTORS), ours[:, ::-1])


@each_dtype
@each_rule
def test_blocks_equal_the_whole(rule: str, dtype: type[np.floating[Any]]) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members), steps=STEPS, elements=1_003)
    cuts = [slice(0, 17), slice(17, 700), slice(700, 1_003)]
    blocks = [(rows, columns) for rows in (slice(0, 1), slice(1, 3)) for columns in cuts]
    whole = path(members, grads, FACTORS, dtype=dtype)
    np.testing.assert_array_equal(path(members, grads, FACTORS, dtype=dtype, blocks=blocks), whole)


@each_rule
def test_a_gradient_that_is_always_zero_moves_nothing(rule: str) -> None:
    members = POPULATIONS[rule]
    for dtype in (np.float32, np.float64):
        assert not path(members, np.zeros((STEPS, len(members), 5)), FACTORS, dtype=dtype).any()


@each_rule
def test_torch_equals_numpy(rule: str) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members))
    assert error(path(members, grads, COSINE, xp=torch), path(members, grads, COSINE)) < 1e-12


@each_rule
def test_float32_follows_float64(rule: str) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members)).astype(np.float32)
    assert error(path(members, grads, COSINE, dtype=np.float32), path(members, grads, COSINE)) < 1e-5


@each_rule
def test_a_learning_rate_of_zero_moves_nothing(rule: str) -> None:
    members = POPULATIONS[rule]
    grads = gradients(len(members), steps=STEPS)
    assert not path(members, grads, np.zeros(STEPS)).any()


@each_rule
def test_a_step_allocates_no_array(rule: str) -> None:
    members = POPULATIONS[rule]
    optimizer, shape = members[0], (len(members), 50_000)
    theta, grad, scratch, *slots = (np.ones(shape, np.float32) for _ in range(3 + len(optimizer.slots)))
    named = dict(zip(optimizer.slots, slots, strict=True))
    numbers = {name: v[0].astype(np.float32) for name, v in scalars(members, np.ones(1)).items()}
    optimizer.update(np, theta, grad, named, SimpleNamespace(**numbers), scratch)  # whatever is made only once
    tracemalloc.start()
    optimizer.update(np, theta, grad, named, SimpleNamespace(**numbers), scratch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < theta.nbytes / 10


@each_rule
def test_the_pieces_of_a_run_equal_the_whole(rule: str) -> None:
    members = POPULATIONS[rule]
    hyper = {name: np.array([[getattr(m, name)] for m in members]) for name in members[0].numbers()}
    lr = FACTORS[:, None, None] * hyper["lr"]
    step = np.arange(1, STEPS + 1).reshape(-1, 1, 1)
    whole = members[0].scalars(SimpleNamespace(**(hyper | {"lr": lr})), step)
    late = members[0].scalars(SimpleNamespace(**(hyper | {"lr": lr[7:]})), step[7:])
    for name, values in whole.items():
        np.testing.assert_array_equal(values[7:] if np.ndim(values) == 3 else values, late[name])
