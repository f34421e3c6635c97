import numpy as np
import pytest

from .open_loop import COSINE, MOVES, error, gradients, path, wrong
from .rules import POPULATIONS

MEMBERS = POPULATIONS["lion"]
GRADS = gradients(len(MEMBERS))


def reference(grads: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The paper's algorithm 2."""
    beta1, beta2, decay, rate = (
        np.array([[getattr(member, name)] for member in MEMBERS]) for name in ("beta1", "beta2", "weight_decay", "lr")
    )
    theta, m = np.zeros((2, *grads.shape[1:]))
    thetas = []
    for g, factor in zip(grads, factors, strict=True):
        c = beta1 * m + (1 - beta1) * g
        theta = theta - factor * rate * (np.sign(c) + decay * theta)
        m = beta2 * m + (1 - beta2) * g
        thetas.append(theta)
    return np.array(thetas)


@pytest.mark.parametrize("move", MOVES)
def test_equals_the_papers_algorithm(move: str) -> None:
    assert error(path(MEMBERS, GRADS, MOVES[move]), reference(GRADS, MOVES[move])) < 1e-12


def right(g, m, k):
    return np.sign(k.beta1 * m + (1 - k.beta1) * g), k.beta2 * m + (1 - k.beta2) * g


def the_new_mean(g, m, k):
    m = k.beta2 * m + (1 - k.beta2) * g
    return np.sign(k.beta1 * m + (1 - k.beta1) * g), m


def one_beta(g, m, k):
    m = k.beta2 * m + (1 - k.beta2) * g
    return np.sign(m), m


def betas_swapped(g, m, k):
    return np.sign(k.beta2 * m + (1 - k.beta2) * g), k.beta1 * m + (1 - k.beta1) * g


def never_zero(g, m, k):
    return np.copysign(1.0, k.beta1 * m + (1 - k.beta1) * g), k.beta2 * m + (1 - k.beta2) * g


def variant(direction, *, coupled: bool = False):
    def scalars(self, hyper, step):
        return vars(hyper)

    def update(self, xp, theta, grad, slots, k, scratch):
        g = grad + k.weight_decay * theta if coupled else grad
        sign, slots["m"][:] = direction(g, slots["m"], k)
        theta -= k.lr * (sign if coupled else sign + k.weight_decay * theta)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


MISTAKES = {
    "the new mean": variant(the_new_mean),
    "one beta": variant(one_beta),
    "betas swapped": variant(betas_swapped),
    "a sign that is never zero": variant(never_zero),
    "coupled decay": variant(right, coupled=True),
}


@pytest.mark.filterwarnings("ignore:invalid value")  # 0 / 0 in `error`, where the reference never moved
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    ours, expected = path(MISTAKES[mistake], GRADS, COSINE), reference(GRADS, COSINE)
    assert np.abs(ours - expected).max() > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS, COSINE), reference(GRADS, COSINE)) < 1e-12


def test_a_sign_of_zero_is_no_step() -> None:
    assert not path(MEMBERS, GRADS)[:, :, 0].any()  # never a gradient
