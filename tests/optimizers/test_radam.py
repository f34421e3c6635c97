from decimal import Decimal, localcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tunelab.optimizers import RAdam

from .open_loop import CONSTANT, MOVES, error, gradients, path, torch_path, wrong
from .rules import POPULATIONS

# torch's own rho_t is 3e-12 off at beta2 = 0.999 (see its `scalars`), so beta2 stays below here
MEMBERS = [
    RAdam(beta2=0.99),
    *(member for member in POPULATIONS["radam"] if member.beta2 <= 0.99),
    RAdam(beta2=0.6),  # rho_inf = 4
]
GRADS = gradients(len(MEMBERS))


def reference(params: list[torch.Tensor], member: RAdam) -> torch.optim.Optimizer:
    betas = (member.beta1, member.beta2)
    return torch.optim.RAdam(params, lr=member.lr, betas=betas, eps=member.eps, foreach=False)


@pytest.mark.parametrize("move", MOVES)
def test_equals_torch(move: str) -> None:
    ours = path(MEMBERS, GRADS, MOVES[move])
    assert error(ours, torch_path(reference, MEMBERS, GRADS, MOVES[move])) < 1e-12


@pytest.mark.parametrize("beta2", [0.9, 0.99, 0.999, 0.9999])
def test_equals_the_equations_worked_out_to_fifty_digits(beta2: float) -> None:
    steps = np.arange(1, 1001)
    hyper = SimpleNamespace(
        lr=CONSTANT[:, None, None], beta1=np.array([[0.0]]), beta2=np.array([[beta2]]), eps=np.array([[1e-8]])
    )
    k = RAdam().scalars(hyper, steps.reshape(-1, 1, 1))
    exact = np.array([factor(Decimal(beta2), int(t)) for t in steps])
    divides = ~np.isnan(exact)
    np.testing.assert_array_equal(k["divides"].ravel(), divides)
    assert (k["rate"].ravel()[~divides] == 1).all()
    ours = k["rate"].ravel() * np.sqrt(1 - beta2)  # the rule's v is v / (1 - beta2)
    np.testing.assert_allclose(ours[divides], exact[divides], rtol=1e-12)


def factor(beta2: Decimal, t: int) -> float:
    """What lr * m_hat / sqrt(v) is multiplied by; not a number if v does not divide it."""
    with localcontext(prec=50):
        c2 = 1 - beta2**t
        last = 2 / (1 - beta2) - 1
        rho = last - 2 * t * beta2**t / c2
        if rho <= 5:
            return float("nan")
        return float(((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho) * c2).sqrt())


def test_is_close_to_torch_with_the_defaults() -> None:
    grads = GRADS[:, :1]
    assert error(path([RAdam()], grads), torch_path(reference, [RAdam()], grads)) < 1e-11


def right(v, c2, r, eps):
    return r * np.sqrt(c2) / (np.sqrt(v) + eps)


def eps_after_correction(v, c2, r, eps):
    return r / (np.sqrt(v / c2) + eps)


def not_rectified(v, c2, r, eps):
    return np.sqrt(c2) / (np.sqrt(v) + eps)


def no_correction(v, c2, r, eps):
    return r / (np.sqrt(v) + eps)


def variant(divided, *, threshold: float = 5.0) -> list[RAdam]:
    def scalars(self, hyper, step):
        last = 2 / (1 - hyper.beta2) - 1
        c2 = 1 - hyper.beta2**step
        rho = last - 2 * step * hyper.beta2**step / c2
        trusted = rho > threshold
        rho, last = np.where(trusted, rho, 9.0), np.where(trusted, last, 9.0)
        r = np.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho))
        return {**vars(hyper), "c1": 1 - hyper.beta1**step, "c2": c2, "r": r, "trusted": trusted}

    def update(self, xp, theta, grad, slots, k, scratch):
        m, v = slots["m"], slots["v"]
        m += (1 - k.beta1) * (grad - m)
        v += (1 - k.beta2) * (grad**2 - v)
        theta -= k.lr * (m / k.c1) * np.where(k.trusted, divided(v, k.c2, k.r, k.eps), 1.0)

    return [wrong(member, scalars=scalars, update=update) for member in MEMBERS]


MISTAKES = {
    "eps after the correction": variant(eps_after_correction),
    "no rectification": variant(not_rectified),
    "no correction": variant(no_correction),
    "the paper's threshold": variant(right, threshold=4.0),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_rejects(mistake: str) -> None:
    assert error(path(MISTAKES[mistake], GRADS), torch_path(reference, MEMBERS, GRADS)) > 1e-9


def test_the_comparison_rejects_the_variants_for_their_mistakes_alone() -> None:
    assert error(path(variant(right), GRADS), torch_path(reference, MEMBERS, GRADS)) < 1e-12
