import numpy as np
import pytest

from tunelab.optimizers import SGD, GradientDescent

from .open_loop import MOVES, gradients, path


@pytest.mark.parametrize("move", MOVES)
def test_is_the_rule_of_sgd(move: str) -> None:
    rates, grads = (0.01, 0.5, 3.0), gradients(3)
    ours = path([GradientDescent(lr=lr) for lr in rates], grads, MOVES[move])
    np.testing.assert_array_equal(ours, path([SGD(lr=lr) for lr in rates], grads, MOVES[move]))


def test_sees_the_whole_training_part() -> None:
    assert GradientDescent.full_batch
    assert not SGD.full_batch
