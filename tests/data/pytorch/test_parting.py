"""Parts: those that a person gave, and those that are cut out of the one to train on."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, Subset, TensorDataset

from data.pytorch.sets import (
    COUNT,
    Counted,
    Listed,
    Noisy,
    Pairs,
    Plain,
    Ragged,
    Stream,
    Twice,
    Unseeded,
    X,
    Y,
    padded,
)  # fmt: skip
from tunelab.contracts import Inputs
from tunelab.data.items import Items, Parts
from tunelab.data.partition import partition
from tunelab.data.pytorch.parting import Given
from tunelab.data.split import Split
from tunelab.errors import DataError

TENSORS = TensorDataset(X, Y)


def parted(
    train: Any, validation: Any = None, test: Any = None, *, shares: tuple[float, float] = (0.2, 0.0), seed: int = 0,
    scale: Any = "none", cache: bool = False, as_given: bool = False,
) -> Parts:  # fmt: skip
    given = {"train": train, "validation": validation, "test": test}
    whole = Given({part: each for part, each in given.items() if each is not None}, cache)
    return whole.parted({"validation": shares[0], "test": shares[1]}, seed, scale, as_given=as_given)


def items(*args: Any, **options: Any) -> Items:
    found = parted(*args, **options)
    assert isinstance(found, Items)
    return found


def split(*args: Any, **options: Any) -> Split:
    found = parted(*args, **options)
    assert isinstance(found, Split)
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_a_data_set_alone_is_cut_as_rows_in_memory_are(seed: int) -> None:
    expected = partition(Y.numpy(), validation=0.2, test=0.3, seed=seed)
    found = items(Listed(), shares=(0.2, 0.3), seed=seed)
    assert found.test is not None
    for rows, part in zip(expected, (found.train, found.validation, found.test), strict=True):
        assert np.array_equal(part.rows, rows)
    rows = split(TENSORS, shares=(0.2, 0.3), seed=seed)
    for part, name in zip(expected, ("train", "validation", "test"), strict=True):
        assert np.array_equal(getattr(rows, f"x_{name}"), X[part].numpy())
        assert np.array_equal(getattr(rows, f"y_{name}"), Y[part].numpy())


def test_classes_keep_their_share_only_where_they_are_listed() -> None:
    def labels(found: Items) -> list[int]:
        return np.bincount(Y.numpy()[found.validation.rows], minlength=3).tolist()

    assert labels(items(Listed(), seed=1)) == [2, 2, 2]
    unlisted = partition(np.zeros(COUNT, np.int64), validation=0.2, test=0.0, seed=1)
    assert np.array_equal(items(Plain(), seed=1).validation.rows, unlisted[1])


def test_what_is_given_is_not_cut() -> None:
    found = items(Listed(), Plain(7), shares=(0.3, 0.2))
    assert found.rows == {"train": 24, "validation": 7, "test": 6}
    assert found.validation.origin == "validation"
    found = items(Listed(), test=Plain(7))
    assert found.rows == {"train": 24, "validation": 6, "test": 7}
    found = items(Listed(), validation=Plain(7), test=Plain(5))
    assert found.rows == {"train": COUNT, "validation": 7, "test": 5}
    assert items(Counted(), validation=Plain(7)).rows == {"validation": 7, "test": 0}


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (
            Counted(),
            "the validation part is missing, and the training part, Counted, cannot be parted, since it has no ",
        ),
        (
            DataLoader(Plain(), batch_sampler=Pairs()),
            "Plain of 30, cannot be parted, since it has a sampler of its own",
        ),
        (DataLoader(Plain(), sampler=Twice()), "it has a sampler of its own; give both: data=.train, validation"),
        (DataLoader(Plain(), sampler=RandomSampler(Plain(), replacement=True)), "it has a sampler of its own"),
    ],
)
def test_what_cannot_be_cut_asks_for_a_pair(train: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parted(train)
    assert items(train, validation=Plain(7)).rows["validation"] == 7


def test_a_missing_test_part_is_named() -> None:
    with pytest.raises(DataError, match=r"the test part is missing.*'test': ..."):
        parted(Counted(), Plain(7), shares=(0.2, 0.2))


def test_a_share_that_leaves_a_part_empty_is_refused() -> None:
    with pytest.raises(DataError, match="leaves the validation part empty"):
        parted(Plain(3), shares=(0.01, 0.0))


def test_a_loader_is_read_as_it_reads() -> None:
    given = DataLoader(Plain(), batch_size=5, collate_fn=padded, drop_last=True, num_workers=1)
    found = items(given)
    for part in (found.train, found.validation):
        assert (part.size, part.collate, part.num_workers) == (5, padded, 1)
    assert found.train.drop_last


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (Plain(), ("classes", 0, 0)),
        (Listed(), ("classes", 3, 0)),
        (Subset(Listed(), range(0, 30, 3)), ("classes", 1, 0)),
        (Counted(), ("classes", 0, 0)),
    ],
)
def test_classes_are_counted_where_all_parts_list_them(train: Any, told: Any) -> None:
    parts = {} if not isinstance(train, Counted) else {"validation": Listed()}
    found = items(train, **parts)
    assert (found.targets, found.outputs, found.places) == told
    assert found.inputs == Inputs((4,))
    assert found.at_least
    assert items(Listed(), validation=Plain()).outputs == 0


def test_the_shape_is_that_of_one_item() -> None:
    ragged = DataLoader(Ragged(), batch_size=3, collate_fn=padded)
    assert items(ragged).inputs == Inputs((12,)), "as far as a few items showed"


def test_everything_in_memory_is_a_split_and_anything_else_is_read() -> None:
    assert split(TENSORS, validation=TENSORS).rows == {"train": 30, "validation": 30, "test": 0}
    assert split(DataLoader(TENSORS, shuffle=True), validation=DataLoader(TENSORS)).rows["train"] == 30
    assert items(TENSORS, validation=Plain()).rows == {"train": 30, "validation": 30, "test": 0}
    assert items(DataLoader(TENSORS)).train.order == "in order"


def test_items_that_are_read_are_not_scaled() -> None:
    with pytest.raises(DataError, match=r"scale='minmax': the training data, Plain, is read item by item.*cache=True"):
        parted(Plain(), scale="minmax")
    assert split(Plain(), scale="minmax", cache=True).x_train.max() == 1


def test_random_numbers_that_cannot_be_seeded_are_told() -> None:
    assert items(Noisy()).notes == ()
    (note,) = items(Noisy(), validation=Unseeded()).notes
    assert note.startswith("the validation data, Unseeded: items differ when they are read twice under one seed")


def test_a_validation_that_does_not_say_where_it_ends_is_refused() -> None:
    class Endless(Twice):
        def __len__(self) -> int:
            raise TypeError

    with pytest.raises(DataError, match="the validation data, Plain: its sampler must say how many it draws"):
        parted(Plain(), validation=DataLoader(Plain(), sampler=Endless()))


def test_labels_below_zero_are_refused_where_they_are_listed() -> None:
    class Shifted(Listed):
        def __getitem__(self, index: int) -> Any:
            return X[index], int(Y[index]) - 1

    data = Shifted(targets=(Y - 1).tolist())
    with pytest.raises(DataError, match="y of the training part is -1"):
        parted(data)
    assert items(data, as_given=True).targets == "classes"


def test_targets_of_many_axes_need_a_loss_of_ones_own() -> None:
    data = TensorDataset(X, torch.rand(COUNT, 2, 2))
    with pytest.raises(DataError, match=r"y has shape \(2, 2\) a row"):
        parted(DataLoader(data))
    assert items(DataLoader(data), as_given=True).targets == "values"


# ---- read once


@pytest.mark.parametrize(
    "given", [Listed(), DataLoader(Listed(), 7, shuffle=True, num_workers=2), Subset(Listed(), range(30))]
)
def test_what_is_read_once_is_as_tensors_are(given: Any) -> None:
    found, expected = split(given, shares=(0.2, 0.2), cache=True), split(TENSORS, shares=(0.2, 0.2))
    for name in ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert Given({"train": given}, True).fingerprint == Given({"train": TENSORS}, False).fingerprint


def test_each_item_is_read_once_beside_the_few_that_are_looked_at() -> None:
    read: list[int] = []

    class Watched(Listed):
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return super().__getitem__(index)

    given = Given({"train": Watched()}, True)
    for _ in range(2):
        given.parted({"validation": 0.2, "test": 0.0}, 0, "none", as_given=False)
        assert given.fingerprint
    assert len(read) == COUNT + 3 * 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Noisy(), "those of Noisy of 30 differ from one reading to the next; leave out its random transforms"),
        (Unseeded(), "those of Unseeded of 30 differ from one reading to the next"),
        (Stream(), "Stream cannot be read so, since its items have no numbers"),
        (DataLoader(Plain(), sampler=Twice()), "Plain of 30 cannot be read so, since its DataLoader has a sampler"),
    ],
)
def test_what_is_not_the_same_each_time_is_not_read_once(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"cache=True reads each item once, .*{said}"):
        parted(given, cache=True)


# ---- as a table


def test_all_rows_of_all_parts_are_a_table() -> None:
    found = Given({"train": TensorDataset(X[:20].reshape(20, 2, 2), Y[:20]),
                   "validation": TensorDataset(X[20:].reshape(10, 2, 2), Y[20:])}, False).table()  # fmt: skip
    assert np.array_equal(found.x, X.double().numpy())
    assert np.array_equal(found.y, Y.numpy())
    assert (found.targets, found.classes, found.shape) == ("classes", ("0", "1", "2"), (2, 2))
    with pytest.raises(DataError, match="is read item by item and is no table"):
        Given({"train": Plain()}, False).table()
