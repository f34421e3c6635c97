"""Members: what they begin with follows from their seed."""

import numpy as np
import pytest

from training.rig import member
from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.optimizers import SGD, Adam


def test_a_new_member_starts_where_its_seed_says_with_slots_of_zero() -> None:
    one = member(3, Adam(), epochs=5, steps=7)
    assert one.theta.tolist() == [1.0, -2.0]
    assert {name: slot.tolist() for name, slot in one.slots.items()} == {"m": [0, 0], "v": [0, 0]}
    assert (one.total, one.epoch, one.step, one.finished) == (35, 0, 0, False)


def test_it_is_finished_after_its_epochs() -> None:
    one = member(0, SGD(), epochs=2)
    one.epoch = 2
    assert one.finished


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_numbers_are_of_the_backends_dtype(dtype: str) -> None:
    one = member(0, Adam(), backend=NumpyBackend(dtype))
    assert {one.theta.dtype, *(slot.dtype for slot in one.slots.values())} == {np.dtype(dtype)}


def test_noise_is_new_each_epoch_and_the_same_when_an_epoch_begins_again() -> None:
    one = member(5)
    first = one.noise.random(9)
    one.begin_epoch()
    assert np.array_equal(one.noise.random(9), first)
    one.epoch = 1
    one.begin_epoch()
    assert not np.intersect1d(one.noise.random(9), first).size
