import numpy as np
import pytest

from tunelab.models.layers import Dropout

from ..rig import Rig, numbers, same_bits

ROWS, WIDTH = 400, 250


def rates(*values: float) -> np.ndarray:
    return np.array(values)[:, None, None]


def test_layers_of_different_rates_share_a_population() -> None:
    assert Dropout(0.1) == Dropout(0.5)
    assert hash(Dropout(0.1)) == hash(Dropout(0.5))
    assert Dropout(0.1).rate() == 0.1


def test_evaluation_is_the_identity_and_draws_nothing() -> None:
    rig = Rig([Dropout(0.5)], numbers(2, 0))
    rig.tapes[0].uniform = None
    x = numbers(2, 3, 4)
    assert rig.forward(x, training=False) is x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rate_zero_is_exactly_the_identity_beside_others(dtype: str) -> None:
    rig = Rig([Dropout(0.0)], numbers(3, 0, dtype=dtype), rates(0.5, 0.0, 0.9).astype(dtype))
    x = numbers(3, ROWS, WIDTH, dtype=dtype)
    same_bits(rig.forward(x)[1], x[1])
    dy = numbers(3, ROWS, WIDTH, seed=1, dtype=dtype)
    same_bits(rig.backward(dy.copy())[1], dy[1])


def test_each_member_drops_its_own_share_and_keeps_the_mean() -> None:
    wanted = np.array([0.1, 0.5, 0.9])
    rig = Rig([Dropout(0.0)], numbers(3, 0), wanted[:, None, None])
    out = rig.forward(np.ones((3, ROWS, WIDTH)))
    count = ROWS * WIDTH
    dropped = (out == 0).mean((1, 2))
    assert (np.abs(dropped - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / count)).all()
    for member, rate in enumerate(wanted):
        assert np.unique(out[member]) == pytest.approx([0, 1 / (1 - rate)])
    assert (np.abs(out.mean((1, 2)) - 1) < 4 * np.sqrt(wanted / (1 - wanted) / count)).all()


def test_backward_drops_what_forward_dropped() -> None:
    rig = Rig([Dropout(0.4)], numbers(2, 0))
    ones = np.ones((2, 30, 20))
    same_bits(rig.forward(ones).copy(), rig.backward(ones.copy()))


def test_noise_is_fresh_each_step_and_each_member_has_its_own() -> None:
    rig = Rig([Dropout(0.5)], numbers(2, 0))
    ones = np.ones((2, 30, 20))
    first, second = rig.forward(ones).copy(), rig.forward(ones).copy()
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
