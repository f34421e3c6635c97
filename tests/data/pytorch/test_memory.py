"""Tensors as rows in memory: nothing is done to them that nobody asked for."""

from typing import Any

import numpy as np
import pytest
import torch

from data.pytorch.sets import X, Y
from tunelab.contracts import Inputs
from tunelab.data.pytorch.memory import array_of, split_of
from tunelab.data.split import Split, split
from tunelab.data.table import table
from tunelab.errors import DataError

NONE = X[:0], Y[:0]


def rows(x: Any = X, y: Any = Y, scale: Any = "none", *, as_given: bool = False) -> Split:
    return split_of([(x[:20], y[:20]), (x[20:], y[20:]), (x[:0], y[:0])], scale, as_given=as_given)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.uint8, torch.int64, torch.int32, torch.bool]
)
def test_features_keep_their_type_and_values(dtype: torch.dtype) -> None:
    x = X.to(dtype)
    found = rows(x)
    assert np.array_equal(found.x_train, x[:20].numpy())
    assert np.array_equal(found.x_validation, x[20:].numpy())
    assert found.x_train.dtype == x.numpy().dtype
    assert found.x_train.flags.c_contiguous


def test_brain_floats_become_floats() -> None:
    assert np.array_equal(array_of(X.bfloat16()), X.bfloat16().float().numpy())


@pytest.mark.parametrize("shape", [(), (4,), (1, 2, 2), (2, 2), (1, 1, 2, 2)])
def test_rows_lie_flat_and_keep_their_shape(shape: tuple[int, ...]) -> None:
    x = torch.rand(30, *shape)
    found = rows(x)
    assert found.inputs.shape == shape
    assert np.array_equal(found.x_train, x[:20].reshape(20, -1).numpy())


def test_what_a_row_is() -> None:
    assert rows(torch.rand(30, 4)).inputs == Inputs((4,), unit=True)
    assert rows(torch.rand(30, 4) + 1).inputs == Inputs((4,))
    assert rows(torch.arange(120).reshape(30, 4)).inputs == Inputs((4,), symbols=120)
    assert rows(torch.arange(120).reshape(30, 4) - 1).inputs == Inputs((4,)), "these are no symbols"
    assert rows(torch.full((30, 4), 9, dtype=torch.uint8)).inputs == Inputs((4,)), "these are pixels"


def told(found: Split) -> tuple[Any, ...]:
    return found.targets, found.outputs, found.places, found.y_train.shape[1:], found.y_train.dtype.kind


TARGETS = {
    "labels": (Y, ("classes", 3, 0, (), "i"), ("classes", 3, 0, (), "i")),
    "labels of one byte": (Y.to(torch.uint8), ("classes", 3, 0, (), "i"), ("classes", 3, 0, (), "u")),
    "truths": (Y > 0, ("classes", 2, 0, (), "i"), ("classes", 2, 0, (), "b")),
    "a label for each place": (Y[:, None].repeat(1, 4), ("classes", 3, 4, (4,), "i"), ("classes", 3, 4, (4,), "i")),
    "values": (X[:, 0], ("values", 1, 0, (1,), "f"), ("values", 1, 0, (), "f")),
    "several values": (X[:, :3], ("values", 3, 0, (3,), "f"), ("values", 3, 0, (3,), "f")),
    "pictures": (torch.rand(30, 2, 3), None, ("values", 0, 0, (2, 3), "f")),
    "a label for each pixel": (torch.ones(30, 2, 3).long(), None, ("values", 0, 0, (2, 3), "i")),
    "labels to leave out": (Y - 1, None, ("classes", 2, 0, (), "i")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_what_their_type_says_and_as_they_are_for_a_loss_of_ones_own(name: str) -> None:
    y, ours, own = TARGETS[name]
    assert told(rows(y=y, as_given=True)) == own
    assert np.array_equal(rows(y=y, as_given=True).y_train, y[:20].numpy())
    if ours is not None:
        assert told(rows(y=y)) == ours


def test_features_are_scaled_where_that_is_asked_for_and_targets_never() -> None:
    y = X[:, :1] * 3
    found = rows(y=y, scale="standard")
    expected = split(table(X.double().numpy(), y.numpy(), "values", source="", where=""), scale="standard")
    assert found.x_train.mean(0) == pytest.approx(0, abs=1e-12)
    assert found.x_train.var(0) == pytest.approx(1)
    assert found.shift == pytest.approx(X[:20].double().mean(0).numpy())
    assert found.x_train.dtype == expected.x_train.dtype
    assert np.array_equal(found.y_train, y[:20].numpy())
    whole = rows(torch.arange(120).reshape(30, 4), scale="minmax")
    assert (whole.x_train.min(), whole.x_train.max()) == (0, 1)
    assert whole.inputs.symbols == 0


BAD = {
    "not finite": ((X.where(X[22, 1] != X, torch.nan), Y), "x of the validation part holds NaN or infinity in row 2"),
    "infinite": ((X, X[:, 0] / (X[:, 0] != X[3, 0])), "y of the training part holds NaN or infinity in row 3"),
    "complex": ((X.to(torch.complex64), Y), "x of the training part must be a plain tensor of real numbers, was "),
    "sparse": ((X.to_sparse(), Y), "x of the training part must be a plain tensor"),
    "no label": (
        (X, Y - 1),
        "y of the training part is -1 in row 0 .*, and labels are 0, 1, ...; for real values",
    ),
    "one class": ((X, Y * 0), "y has one class only, 0"),
    "pictures": ((X, torch.rand(30, 2, 3)), r"y has shape \(2, 3\) a row, .* give a loss of your own"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_trained_on_is_refused(name: str) -> None:
    (x, y), said = BAD[name]
    with pytest.raises(DataError, match=said):
        split_of([(x, y), (x, y), NONE], "none", as_given=False) if name == "sparse" else rows(x, y)


@pytest.mark.parametrize("other", [(X[:, :2], Y), (X.double(), Y), (X, Y.int())])
def test_parts_must_be_alike(other: Any) -> None:
    with pytest.raises(DataError, match=r"of the validation part has rows of shape .*; give all parts alike"):
        split_of([(X, Y), other, NONE], "none", as_given=False)
