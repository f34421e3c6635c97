from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunelab.backends.tape import PopulationTape
from tunelab.models.losses import MeanSquaredError

from ..rig import backend, check_loss, numbers

LOSS = MeanSquaredError()


def graded(out: np.ndarray, target: np.ndarray) -> tuple[Any, Any]:
    return LOSS.gradient(np, out, target, PopulationTape(backend(out)))


@pytest.mark.parametrize("values", [1, 3])
def test_gradient_is_the_central_difference(values: int) -> None:
    check_loss(LOSS, numbers(5, values), numbers(5, values, seed=1))


class Unhalved(MeanSquaredError):
    def gradient(self, xp: Any, out: Any, target: Any, tape: Any) -> Any:
        losses, gradient = super().gradient(xp, out, target, tape)
        return losses, gradient / 2


def test_the_check_rejects_a_wrong_gradient() -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_loss(Unhalved(), numbers(5, 3), numbers(5, 3, seed=1))


def test_averaged_it_equals_torch_autograd() -> None:
    out, target = numbers(1, 6, 3), numbers(1, 6, 3, seed=1)
    losses, gradient = graded(out.copy(), target)
    leaf = torch.tensor(out, requires_grad=True)
    reference = functional.mse_loss(leaf, torch.tensor(target))
    reference.backward()
    assert losses.mean() == pytest.approx(reference.item(), rel=1e-12)
    np.testing.assert_allclose(gradient / 6, leaf.grad, rtol=1e-10)


def test_it_runs_on_tensors_as_on_arrays() -> None:
    out, target = numbers(3, 6, 2), numbers(3, 6, 2, seed=1)
    tensors = torch.tensor(out), torch.tensor(target)
    for found, wanted in zip(
        LOSS.gradient(torch, *tensors, PopulationTape(backend(tensors[0]))), graded(out, target), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    np.testing.assert_allclose(LOSS.evaluate(torch, *tensors)["loss"], LOSS.evaluate(np, out, target)["loss"])


def test_evaluation_sums_what_training_sees() -> None:
    out, target = numbers(3, 50, 2), numbers(1, 50, 2, seed=1)
    losses, _ = graded(out.copy(), np.repeat(target, 3, 0))
    np.testing.assert_allclose(LOSS.evaluate(np, out, target)["loss"], losses.sum(1), rtol=1e-12)
