"""The process's generators: seeded together, and left as they were."""

import random

import numpy as np
import pytest
import torch

from tunelab.data.pytorch.seeds import left_alone, seed_all


def drawn() -> list[float]:
    return [float(torch.rand(())), float(torch.randn(())), np.random.rand(), np.random.randn(), random.random()]


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63 - 1])
def test_a_seed_decides_what_all_three_draw(seed: int) -> None:
    with left_alone():
        seed_all(seed)
        first = drawn()
        seed_all(seed)
        assert drawn() == first
        seed_all(seed // 2 + 1 if seed != 1 else 0)
        assert all(one != other for one, other in zip(drawn(), first, strict=True))


def test_what_comes_after_is_what_would_have_come_without() -> None:
    seed_all(3)
    np.random.randn()  # NumPy keeps a second normal number back
    with left_alone():
        seed_all(5)
        drawn()
    after = drawn()
    seed_all(3)
    np.random.randn()
    assert drawn() == after


def _spoil() -> None:
    with left_alone():
        seed_all(5)
        raise ValueError("no")


def test_also_where_something_raises() -> None:
    seed_all(3)
    with pytest.raises(ValueError, match="no"):
        _spoil()
    after = drawn()
    seed_all(3)
    assert drawn() == after
