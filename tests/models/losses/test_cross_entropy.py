from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tunelab.backends.tape import PopulationTape
from tunelab.models.losses import CrossEntropy

from ..rig import backend, check_loss, numbers

LOSS = CrossEntropy()


def labels(*shape: int, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(9).integers(0, classes, shape)


def graded(out: np.ndarray, target: np.ndarray) -> tuple[Any, Any]:
    return LOSS.gradient(np, out, target, PopulationTape(backend(out)))


@pytest.mark.parametrize("classes", [1, 2, 4, 10])
def test_gradient_is_the_central_difference(classes: int) -> None:
    out, target = 2 * numbers(5, classes), labels(5, classes=classes)
    if classes == 1:
        assert not graded(out[None], target[None])[1].any()
    else:
        check_loss(LOSS, out, target)


class WithoutLabel(CrossEntropy):
    def gradient(self, xp: Any, out: Any, target: Any, tape: Any) -> Any:
        losses, gradient = super().gradient(xp, out, target, tape)
        return losses, np.maximum(gradient, 0)


def test_the_check_rejects_a_wrong_gradient() -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_loss(WithoutLabel(), numbers(5, 4), labels(5))


def test_it_equals_torch_autograd() -> None:
    out, target = 3 * numbers(3, 6, 4), labels(3, 6)
    losses, gradient = graded(out.copy(), target)
    leaf = torch.tensor(out, requires_grad=True)
    reference = functional.cross_entropy(leaf.reshape(-1, 4), torch.tensor(target).reshape(-1), reduction="none")
    reference.sum().backward()
    np.testing.assert_allclose(losses.ravel(), reference.detach(), rtol=1e-10)
    np.testing.assert_allclose(gradient, leaf.grad, rtol=1e-10, atol=1e-15)


def test_it_runs_on_tensors_as_on_arrays() -> None:
    out, target = numbers(3, 6, 4), labels(3, 6)
    tensors = torch.tensor(out), torch.tensor(target)
    for found, wanted in zip(
        LOSS.gradient(torch, *tensors, PopulationTape(backend(tensors[0]))), graded(out, target), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
    wanted = LOSS.evaluate(np, out, target)
    for name, found in LOSS.evaluate(torch, *tensors).items():
        np.testing.assert_allclose(found, wanted[name], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_outputs_neither_overflow_nor_vanish(dtype: str) -> None:
    out = np.array([[[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]], dtype)
    losses, gradient = graded(out, np.array([[1, 2]]))
    assert losses.tolist() == [[2e4, pytest.approx(np.log(3), rel=1e-6)]]
    assert gradient[0].tolist() == [[1, -1, 0], pytest.approx([1 / 3, 1 / 3, -2 / 3], rel=1e-6)]


def test_evaluation_sums_what_training_sees() -> None:
    out, target = numbers(3, 50, 4), labels(3, 50)
    losses, _ = graded(out.copy(), target)
    found = LOSS.evaluate(np, out, target)
    assert tuple(found) == LOSS.metrics
    np.testing.assert_allclose(found["loss"], losses.sum(1), rtol=1e-12)
    np.testing.assert_array_equal(found["accuracy"], (out.argmax(2) == target).sum(1))


@pytest.mark.parametrize("shape", [(50,), (1, 50)])
def test_evaluation_takes_labels_that_all_members_share(shape: tuple[int, ...]) -> None:
    out, target = numbers(3, 50, 4), labels(50)
    wanted = LOSS.evaluate(np, out, np.stack([target] * 3))
    found = LOSS.evaluate(np, out, target.reshape(shape))
    for name in LOSS.metrics:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_equal_outputs_are_no_better_than_chance() -> None:
    found = LOSS.evaluate(np, np.zeros((1, 4, 4)), np.arange(4)[None])
    assert found["accuracy"].tolist() == [1.0]
    assert found["loss"] == pytest.approx([4 * np.log(4)])


def test_outputs_and_labels_stay_as_they_are() -> None:
    out, target = numbers(2, 5, 4), labels(2, 5)
    graded(out, target)
    LOSS.evaluate(np, out, target)
    np.testing.assert_array_equal(out, numbers(2, 5, 4))
    np.testing.assert_array_equal(target, labels(2, 5))
