import numpy as np
import pytest
import torch

from tunelab.optimizers import SGD, Rprop

from .open_loop import CONSTANT, COSINE, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["rprop"]


def steady(grads: np.ndarray) -> np.ndarray:
    """Make the signs of some elements last for 2 to 200 steps, so that sizes also grow."""
    lasting = np.geomspace(2, 200, grads.shape[2] // 2).astype(int)
    for column, length in enumerate(lasting, start=3):
        first = np.arange(len(grads)) // length * length
        grads[:, :, column] = np.copysign(grads[:, :, column], grads[first, :, column])
    return grads


GRADS = steady(gradients(len(MEMBERS)))


def reference(params: list[torch.Tensor], member: Rprop) -> torch.optim.Optimizer:
    etas, sizes = (member.shrink, member.grow), (member.smallest * member.lr, member.largest * member.lr)
    return torch.optim.Rprop(params, lr=member.lr, etas=etas, step_sizes=sizes, foreach=False)


def equations(grads: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The docstring's, one element at a time."""
    thetas = np.empty(grads.shape)
    for index, member in enumerate(MEMBERS):
        for column in range(grads.shape[2]):
            theta, size, sign = 0.0, 1.0, 0.0
            for step, factor in enumerate(factors):
                g = np.sign(grads[step, index, column])
                turn = g * sign
                size *= member.grow if turn > 0 else member.shrink if turn < 0 else 1
                size = min(max(size, member.smallest), member.largest)
                sign = 0 if turn < 0 else g
                theta -= factor * member.lr * size * sign
                thetas[step, index, column] = theta
    return thetas


def test_equals_torch_while_the_learning_rate_stands_still() -> None:
    assert error(path(MEMBERS, GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12


@pytest.mark.parametrize("move", MOVES)
def test_equals_its_equations(move: str) -> None:
    assert error(path(MEMBERS, GRADS, MOVES[move]), equations(GRADS, MOVES[move])) < 1e-12


def test_sizes_reach_both_bounds() -> None:
    lengths = np.abs(np.diff(path(MEMBERS, GRADS), axis=0))
    for index, member in enumerate(MEMBERS[:2]):
        seen = lengths[:, index][lengths[:, index] > 0]
        assert seen.max() == pytest.approx(member.lr * member.largest, rel=1e-6)
        assert seen.min() == pytest.approx(member.lr * member.smallest, rel=1e-6)


def test_a_schedule_scales_every_step() -> None:
    plain = np.diff(path(MEMBERS, GRADS, CONSTANT), axis=0)
    scaled = np.diff(path(MEMBERS, GRADS, COSINE), axis=0)
    np.testing.assert_allclose(scaled, COSINE[1:, None, None] * plain, rtol=0, atol=1e-12 * np.abs(plain).max())


def test_torch_follows_no_schedule() -> None:
    torch_moved = torch_path(reference, MEMBERS, GRADS, COSINE)
    assert error(torch_moved, torch_path(reference, MEMBERS, GRADS)) == 0


def test_sees_the_whole_training_part() -> None:
    assert Rprop.full_batch
    assert not SGD.full_batch


def variant(*, pauses: bool = True, forgets: bool = True, steps_back: bool = False, first: float = 1.0):
    def scalars(self, hyper, step):
        return {**vars(hyper), "first": np.where(step == 1, first, 0.0)}

    def update(self, xp, theta, grad, slots, k, scratch):
        sign, size = slots["sign"], slots["size"]
        before = size * sign
        g = np.sign(grad)
        turn = g * sign
        size += k.first
        size *= np.where(turn > 0, k.grow, np.where(turn < 0, k.shrink, 1.0))
        size[:] = np.clip(size, k.smallest, k.largest)
        moves = np.where(turn < 0, 0, g) if pauses else g
        sign[:] = np.where(turn < 0, 0, g) if forgets else g
        theta -= k.lr * np.where(turn < 0, -before, size * moves) if steps_back else k.lr * size * moves

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


MISTAKES = {
    "no pause after a turn": variant(pauses=False),
    "a sign that outlives its turn": variant(forgets=False),
    "the last step taken back": variant(steps_back=True),
    "another first size": variant(first=1.2),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    assert error(path(MISTAKES[mistake], GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
