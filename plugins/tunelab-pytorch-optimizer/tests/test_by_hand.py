"""Each optimizer steps as its class does in a loop by hand, wherever its member trains."""

import numpy as np
import pytest
from rig import FACTORS, NAMES, by_hand, path

import tunelab_pytorch_optimizer
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer

DRAWS = {"po-dash", "po-gravity"}
"""They draw at random, here from the seed of their member, by hand from whatever the generator holds."""

ROUNDS = {"po-grokfastadamw", "po-adago", "po-adamuon", "po-muon", "po-normuon"}
"""They have a second learning rate, a multiple of the first: here the schedule comes before it, by hand behind it."""

each = pytest.mark.parametrize("name", NAMES)


def members(name: str) -> list[PytorchOptimizer]:
    """Return one at its defaults, and one with another learning rate beside it."""
    kind = getattr(tunelab_pytorch_optimizer, NAMES[name])
    return [kind(), kind(lr=kind().lr / 2)]


@each
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_equals_the_class_used_by_hand(name: str, dtype: str) -> None:
    found = path(members(name), dtype=dtype)
    assert np.isfinite(found).all()
    assert (found[-1] != found[0]).any()
    if name not in DRAWS:
        rounding = 0.0 if name not in ROUNDS else 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(found, by_hand(members(name), dtype=dtype), rtol=rounding, atol=rounding)


@each
def test_alone_packed_anew_or_saved_no_bit_changes(name: str) -> None:
    both = members(name)
    whole = path(both, dtype="float32")
    np.testing.assert_array_equal(path(both[:1], dtype="float32"), whole[:, :1])
    np.testing.assert_array_equal(path(both, dtype="float32", packed_at=(1, 13), saved_at=(5, 17)), whole)


@each
def test_its_learning_rate_is_the_schedules(name: str) -> None:
    steady, falling = path(members(name), factors=np.ones_like(FACTORS)), path(members(name))
    same = (steady == falling).all(axis=(1, 2))
    assert same[:13].all()
    assert not same[-1]


AVERAGED = [name for name in NAMES if getattr(tunelab_pytorch_optimizer, NAMES[name]).averages]


def test_the_schedule_free_ones_are_known() -> None:
    assert AVERAGED == ["po-schedulefreeadamw", "po-schedulefreeradam", "po-schedulefreesgd", "po-splus"]


@pytest.mark.parametrize("name", AVERAGED)
def test_it_is_evaluated_where_eval_takes_it_and_trains_on_from_where_it_was(name: str) -> None:
    found, wanted = path(members(name), evaluated=True), by_hand(members(name), evaluated=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)  # by hand, train() undoes eval() but for rounding
    assert np.abs(found - path(members(name))).max() > 1e-5
