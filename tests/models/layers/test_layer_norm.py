import numpy as np
import pytest

from tunelab.models.layers import LayerNorm

from ..rig import Rig, numbers


def normalised(x: np.ndarray) -> np.ndarray:
    width = x.shape[2]
    theta = np.concatenate([np.ones(width), np.zeros(width)])[None]
    return Rig([LayerNorm(width)], theta).forward(x)


def test_rows_have_mean_zero_and_variance_one() -> None:
    out = normalised(3 + 100 * numbers(1, 7, 50))
    assert out.mean(2) == pytest.approx(np.zeros((1, 7)), abs=1e-12)
    assert out.var(2) == pytest.approx(np.ones((1, 7)), rel=1e-6)


def test_a_row_of_equal_numbers_becomes_zero() -> None:
    assert not normalised(np.full((1, 2, 8), 5.0)).any()


def test_it_starts_as_normalisation_alone() -> None:
    gain, bias = LayerNorm(4).parameters()
    assert (gain.center, gain.bound, bias.center, bias.bound) == (1.0, 0.0, 0.0, 0.0)
