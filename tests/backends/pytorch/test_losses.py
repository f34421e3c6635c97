"""Losses that tunelab brings, on a module's outputs: labels that nobody has seen all of are checked batch by batch."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.losses import RowLoss, explained
from tunelab.backends.pytorch.network import Task
from tunelab.contracts import Inputs, Outputs
from tunelab.errors import DataError, ExperimentError
from tunelab.models.losses import CrossEntropy, MeanSquaredError

BACKEND = TorchBackend("float32")
OUT = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))


def row_loss(*, checks: bool = True, loss: Any = None) -> RowLoss:
    return RowLoss(loss or CrossEntropy(), BACKEND, checks=checks)


@pytest.mark.parametrize("label", [-1, 3, -100])
@pytest.mark.parametrize("row", [0, 4])
def test_a_label_that_is_no_class_is_told_and_never_taken_for_another(label: int, row: int) -> None:
    labels = torch.zeros(2, 5, dtype=torch.int64)
    labels[1, row] = label
    said = f"the module tells 3 classes, so labels must be from 0 to 2; those of a batch are from {min(label, 0)} to"
    with pytest.raises(DataError, match=said):
        row_loss().start(OUT, labels)
    with pytest.raises(DataError, match=said):
        row_loss().sums(OUT, labels)


@pytest.mark.parametrize("checks", [False, True])
def test_labels_that_are_classes_give_pytorchs_loss(checks: bool) -> None:
    labels = torch.tensor([[0, 1, 2, 0, 1], [2, 2, 2, 2, 2]])
    losses, _ = row_loss(checks=checks).start(OUT, labels)
    for member in range(2):
        torch.testing.assert_close(losses[member], functional.cross_entropy(OUT[member], labels[member]))


def test_values_are_no_labels() -> None:
    row_loss(loss=MeanSquaredError()).start(OUT, OUT - 7)


def test_an_index_error_of_a_loss_of_ones_own_says_what_the_targets_are() -> None:
    labels = torch.tensor([0, 7, 2])
    said = r"the loss raised IndexError: Target 7 is out of bounds.; targets of this batch are from 0 to 7"
    with pytest.raises(DataError, match=said), explained(labels):
        functional.cross_entropy(torch.zeros(3, 3), labels)


def task(count: int, *, places: int = 0, at_least: bool = False, targets: Any = "classes") -> Task:
    loss = CrossEntropy() if targets == "classes" else MeanSquaredError()
    outputs = Outputs(count, places)
    return Task(Inputs((4,)), outputs, targets, loss, functional.cross_entropy, {}, at_least=at_least)


@pytest.mark.parametrize(
    ("made", "shape", "fits"),
    [
        (task(3), (5, 3), True),
        (task(3), (5, 4), False),
        (task(3), (5,), False),
        (task(3), (4, 3), False),
        (task(3, at_least=True), (5, 4), True),
        (task(3, at_least=True), (5, 2), False),
        (task(0, at_least=True), (5, 4), True),
        (task(0, at_least=True), (5,), False),
        (task(0, at_least=True), (5, 2, 4), False),
        (task(3, places=2, at_least=True), (5, 2, 4), True),
        (task(3, places=2, at_least=True), (5, 3, 4), False),
        (task(2, targets="values"), (5, 2), True),
        (task(2, targets="values"), (5, 3), False),
    ],
)
def test_outputs_must_be_those_of_the_classes_or_of_more_where_more_there_may_be(
    made: Task, shape: tuple[int, ...], fits: bool
) -> None:
    out, y = torch.zeros(shape), torch.zeros(5, dtype=torch.int64)
    if fits:
        made.check(out, y)
    else:
        with pytest.raises(ExperimentError, match="the module must return a tensor of shape"):
            made.check(out, y)


def test_what_is_no_tensor_is_told() -> None:
    with pytest.raises(ExperimentError, match=r"for 5 rows and 3 or more classes; it returned tuple"):
        task(3, at_least=True).check((1, 2), torch.zeros(5))
    with pytest.raises(ExperimentError, match=r"of shape \(5, classes\) for 5 rows and some classes; it returned list"):
        task(0, at_least=True).check([], torch.zeros(5))
