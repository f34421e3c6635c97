"""Tapes: memory that is reused, and noise that is each member's own."""

import numpy as np
import pytest
from training.rig import DOUBLE

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.backends.tape import PopulationTape
from tunelab.training.streams import Purpose, stream


def streams(*seeds: int) -> list[np.random.Generator]:
    return [stream(seed, Purpose.NOISE) for seed in seeds]


def test_an_array_is_the_same_one_each_time_and_another_for_another_name_or_shape() -> None:
    tape = PopulationTape(DOUBLE)
    first = tape.empty("y", (2, 3))
    assert tape.empty("y", [2, 3]) is first
    assert tape.empty("z", (2, 3)) is not first
    assert tape.empty("y", (3, 2)) is not first


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_a_members_own_whoever_stands_beside_it(dtype: str) -> None:
    backend = NumpyBackend(dtype)
    many, few = streams(1, 2, 3), streams(2)
    together = PopulationTape(backend, streams=lambda: many)
    alone = PopulationTape(backend, streams=lambda: few)
    for shape in ((8, 5), (8, 5), (3, 5)):
        noise = together.uniform("noise", (3, *shape)).copy()
        assert noise.dtype == np.dtype(dtype)
        assert np.array_equal(noise[1], alone.uniform("noise", (1, *shape))[0])
        assert ((noise >= 0) & (noise < 1)).all()
        assert len(np.unique(noise)) > 0.99 * noise.size


def test_a_stream_that_is_missing_is_an_error_and_not_old_noise() -> None:
    two = streams(1, 2)
    with pytest.raises(ValueError, match="zip"):
        PopulationTape(DOUBLE, streams=lambda: two).uniform("noise", (3, 4, 5))
