"""What no batch can be made of, and what is said of it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data.pytorch.sets import Made, Ragged, X, Y, padded
from tunelab.data.pytorch.batch import Failure
from tunelab.data.pytorch.reading import Draw, read
from tunelab.data.pytorch.source import source_of


class Picture:
    """As PIL's are: no numbers before a transform makes some of it."""


def batch(make: Any, **options: Any) -> Any:
    data = Made(make) if callable(make) else make
    return read(source_of(DataLoader(data, batch_size=4, **options), "train"), Draw(0, [3, 4, 5]))


GOOD = {
    "tensors": lambda index: (X[index], Y[index]),
    "numbers": lambda index: (float(X[index, 0]), int(Y[index])),
    "arrays": lambda index: (X[index].numpy(), np.int64(Y[index])),
    "a list of two": lambda index: [X[index], int(Y[index])],
    "bytes of a picture": lambda index: (np.full((2, 2), index, np.uint8), 1.5),
    "several targets": lambda index: (X[index], X[index, :2]),
    "truth": lambda index: (X[index], bool(Y[index])),
}


@pytest.mark.parametrize("name", GOOD)
def test_pairs_of_numbers_become_two_tensors_of_their_own_type(name: str) -> None:
    x, y = batch(GOOD[name])
    assert len(x) == len(y) == 3
    expected = [torch.as_tensor(values) for values in GOOD[name](4)]
    assert torch.equal(x[1].double(), expected[0].double())
    assert torch.equal(y[1].double(), expected[1].double())
    assert x.dtype == (torch.float64 if name == "numbers" else expected[0].dtype)


BAD = {
    "one thing": (
        lambda index: X[index],
        "or numbers, but item 3 is an array of torch.float32",
    ),
    "three things": (lambda index: (X[index], 0, 0), "but item 3 is a tuple of 3; make such a pair in the data set"),
    "a dict": (lambda index: {"pixels": X[index], "label": 0}, "but item 3 is a dict of 'pixels', 'label'"),
    "text": (
        lambda index: (X[index], "cat"),
        "but item 3 is a pair whose y is of type str; make",
    ),
    "text in an array": (lambda index: (X[index], np.array("cat")), "a pair whose y is an array of <U3"),
    "objects": (lambda index: (np.array([None, index]), 0), "a pair whose x is an array of object"),
    "a picture": (
        lambda index: (Picture(), 0),
        "a pair whose x is of type Picture; make such",
    ),
    "nothing": (lambda index: None, "item 3 is of type NoneType"),
    "sometimes text": (lambda index: (X[index], "?" if index == 5 else 1), "item 5 is a pair whose y is of type str"),
    "lengths": (Ragged(), "x has another shape from item to item, (4,) in item 3 and (8,) in item 4; resize or pad"),
    "lengths of y": (
        lambda index: (X[index], X[index, : index - 1]),
        "y has another shape from item to item, (2,) in item 3 and (3,) in item 4",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_pair_of_numbers_is_said_of_the_item(name: str) -> None:
    make, said = BAD[name]
    found = batch(make)
    assert isinstance(found, Failure)
    assert found.reason.startswith("the training data, ")
    assert said in found.reason


def test_two_items_that_are_no_pairs_are_not_taken_for_one() -> None:
    found = read(source_of(Made(lambda index: X[index]), "train"), Draw(0, [3, 4]))
    assert isinstance(found, Failure)


def test_a_collate_function_may_make_a_batch_of_what_has_several_shapes() -> None:
    x, y = batch(Ragged(), collate_fn=padded)
    assert (tuple(x.shape), tuple(y.shape)) == ((3, 12), (3,))


COLLATED = {
    "raises": (lambda items: items[9], "no batch can be made of its items: IndexError: list index out of range"),
    "no pair": (
        lambda items: torch.zeros(3),
        "its collate_fn must return a pair (x, y) of tensors, and returned an",
    ),
    "other rows": (lambda items: (torch.zeros(3, 2), torch.zeros(2)), "x of shape (3, 2) and y of shape (2,)"),
    "no rows": (lambda items: (torch.zeros(()), torch.zeros(())), "x of shape () and y of shape ()"),
    "text": (lambda items: (torch.zeros(3, 2), ["a", "b", "c"]), "and returned a pair of Tensor and list"),
    "three": (lambda items: (torch.zeros(3, 2),) * 3, "and returned a tuple of 3"),
}


@pytest.mark.parametrize("name", COLLATED)
def test_what_a_collate_function_may_not_return(name: str) -> None:
    collate, said = COLLATED[name]
    found = batch(GOOD["tensors"], collate_fn=collate)
    assert isinstance(found, Failure)
    assert said in found.reason
