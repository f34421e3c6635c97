import math

import numpy as np
import pytest

from tunelab.schedules import WSD, Constant, Linear, Then

from .factors import TOTALS, alone


def published(t: int, total: int, decay: int, shape: str) -> float:
    """Return the factor as in Hägele et al., equations 1 and 2: n > N - N_decay decays by f(n, N, N_decay)."""
    if t <= total - decay:
        return 1.0
    done = (t - (total - decay)) / decay
    return 1 - math.sqrt(done) if shape == "1-sqrt" else (total - t) / decay


def check(found: np.ndarray, decay: float, shape: str) -> None:
    total = len(found)
    steps = math.ceil(round(decay * total, 6))
    closed = [published(t, total, steps, shape) for t in range(total)]
    np.testing.assert_allclose(found, closed, rtol=0, atol=1e-15)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("decay", [0.07, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("shape", ["linear", "1-sqrt"])
def test_equals_the_paper(shape: str, decay: float, total: int) -> None:
    check(alone(WSD(shape=shape, decay=decay), total), decay, shape)


@pytest.mark.parametrize("total", TOTALS)
def test_linear_is_constant_then_linear(total: int) -> None:
    joined = alone(Then(first=Constant(), second=Linear(final=0.1), at=0.8), total)
    if 0.8 * total == int(0.8 * total):
        np.testing.assert_allclose(alone(WSD(shape="linear", final=0.1), total), joined, rtol=0, atol=1e-15)


def test_the_root_of_what_is_left_and_a_decay_that_starts_early_are_rejected() -> None:
    left = np.sqrt(np.clip((100 - np.arange(100)) / 20, 0, 1))
    for wrong in (left, alone(WSD(decay=0.21), 100)):
        with pytest.raises(AssertionError):
            check(wrong, 0.2, "1-sqrt")


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_ends(final: float) -> None:
    for shape, left in (("linear", 1 / 20), ("1-sqrt", 1 - math.sqrt(19 / 20))):
        factors = alone(WSD(final=final, shape=shape), 100)
        assert (factors[:81] == 1).all()
        assert factors[-1] == pytest.approx(final + (1 - final) * left, rel=1e-12)
