"""Streams: a function of seed, purpose and epoch alone, and independent of each other."""

from itertools import combinations

import numpy as np
import pytest

from tunelab.training.streams import Purpose, stream


def test_a_stream_is_a_function_of_its_key() -> None:
    assert np.array_equal(stream(7, Purpose.NOISE, 3).random(100), stream(7, Purpose.NOISE, 3).random(100))


def test_streams_of_other_seeds_purposes_and_epochs_share_no_number_and_do_not_correlate() -> None:
    keys = [(seed, purpose, epoch) for seed in (0, 1, 2**32) for purpose in Purpose for epoch in (0, 1, 2)]
    drawn = [stream(*key).random(4000) for key in keys]
    for (_, one), (_, other) in combinations(zip(keys, drawn, strict=True), 2):
        assert not np.intersect1d(one, other).size
        assert abs(np.corrcoef(one, other)[0, 1]) < 6 / np.sqrt(4000)


def test_epochs_never_run_into_each_other() -> None:
    """An epoch's stream starts 2^192 blocks behind the one before: its counter's highest word."""
    states = [stream(5, Purpose.ORDER, epoch).bit_generator.state["state"]["counter"] for epoch in (0, 1, 1000)]
    assert [state.tolist() for state in states] == [[0, 0, 0, epoch] for epoch in (0, 1, 1000)]


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**63 + 1, 2**64 - 1])
def test_every_seed_of_64_bits_has_a_stream_of_its_own(seed: int) -> None:
    generator = stream(seed, Purpose.ORDER)
    assert generator.bit_generator.state["state"]["key"].tolist() == [seed, Purpose.ORDER]


def test_numbers_are_uniform() -> None:
    numbers = stream(3, Purpose.NOISE, 9).random(200_000)
    counts = np.histogram(numbers, 50, (0, 1))[0]
    assert ((counts - 4000) ** 2 / 4000).sum() < 49 + 5 * np.sqrt(2 * 49)
