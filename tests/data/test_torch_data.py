"""`TorchData`: what a person may bring, and what is kept of it."""

import json
import subprocess
import sys
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset, random_split

from data.pytorch.sets import Broken, Counted, Listed, Made, Noisy, Pairs, Plain, Stream, Twice, X, Y
from tunelab import Choice, Experiment
from tunelab.data import Arrays, TorchData
from tunelab.errors import DataError, ExperimentError
from tunelab.experiments import dataset_of

TENSORS = TensorDataset(X, Y)
WHOLE = Made(lambda index: (X[index : index + 2], Y[index : index + 2]))


def experiment(**fields: Any) -> Experiment:
    plain: dict[str, Any] = {"name": "torch", "data": (X, Y), "model": "mlp", "optimizer": "sgd"}
    return Experiment(**(plain | fields))


SPELLINGS: dict[str, tuple[Any, list[str]]] = {
    "tensors": ((X, Y), ["train"]),
    "a list of tensors": ([X, Y], ["train"]),
    "a data set": (Plain(), ["train"]),
    "tensors in a data set": (TENSORS, ["train"]),
    "parts of a data set": (random_split(Plain(), [20, 10]), ["train", "validation"]),
    "several data sets": (ConcatDataset([Plain(), Plain()]), ["train"]),
    "a loader": (DataLoader(Plain()), ["train"]),
    "two data sets": ((Plain(), Listed()), ["train", "validation"]),
    "two loaders": ((DataLoader(Plain()), DataLoader(Plain())), ["train", "validation"]),
    "one of each": ((DataLoader(Plain()), TENSORS), ["train", "validation"]),
    "two pairs of tensors": (((X, Y), (X, Y)), ["train", "validation"]),
    "a flow": ((Stream(), TENSORS), ["train", "validation"]),
    "by name": ({"train": Plain(), "validation": (X, Y), "test": DataLoader(Plain())}, ["train", "validation", "test"]),
    "without validation": ({"train": Plain(), "test": Plain()}, ["train", "test"]),
    "itself": (TorchData(Plain(), test=Plain()), ["train", "test"]),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_what_a_person_has_is_data(name: str) -> None:
    given, parts = SPELLINGS[name]
    found = experiment(data=given, **({"steps_per_epoch": 3} if name == "a flow" else {})).data
    assert isinstance(found, TorchData)
    assert [part for part in ("train", "validation", "test") if getattr(found, part) is not None] == parts


@pytest.mark.parametrize("given", [(X.numpy(), Y.numpy()), (X.tolist(), Y.tolist()), (X, Y.numpy()), (X.numpy(), Y)])
def test_arrays_stay_arrays(given: Any) -> None:
    assert isinstance(dataset_of(given), Arrays)


BAD: dict[str, tuple[Any, str]] = {
    "lengths": ((X, Y[:-1]), r"x has shape \(30, 4\) and y \(29,\); each row needs one target"),
    "no rows": ((X, torch.tensor(0)), "each row needs one target"),
    "nothing": (Plain(0), "the training data, Plain, is empty; at least one item is needed"),
    "empty tensors": ((X[:0], Y[:0]), "the training data, TensorDataset, is empty"),
    "empty validation": ((Plain(), Plain(0)), "the validation data, Plain, is empty"),
    "arrays by name": (
        {"train": (X.numpy(), Y.numpy())},
        "a part must be .*, was a tuple of ndarray, ndarray; torch",
    ),
    "a number": ({"train": Plain(), "validation": 0.2}, "a part must be .*, was of type float"),
    "an unknown part": (
        {"train": Plain(), "val": Plain()},
        "parts are called train, validation and test, was 'val'",
    ),
    "no length": (type("Odd", (torch.utils.data.Dataset,), {"__getitem__": lambda self, i: i})(), "give it __len__"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_data_is_refused_with_the_experiment(name: str) -> None:
    given, said = BAD[name]
    with pytest.raises(DataError, match=said):
        experiment(data=given)


def test_what_is_nothing_of_all_this_is_refused() -> None:
    with pytest.raises(ExperimentError, match="or a torch Dataset or DataLoader; was of type object"):
        experiment(data=object())


# ---- batch sizes


def test_a_loaders_batch_size_decides_unless_the_experiment_gives_one() -> None:
    given = DataLoader(Plain(), batch_size=7)
    assert experiment(data=given).batch_size == 7
    assert experiment(data=(given, Plain())).batch_size == 7
    assert experiment(data=given, batch_size=5).batch_size == 5
    assert experiment(data=given, batch_size=Choice(5, 10)).batch_size == Choice(5, 10)
    assert experiment(data=Plain()).batch_size == 32
    assert experiment(data=(Plain(), given)).batch_size == 32
    again = experiment(data=given, batch_size=5)
    assert again.with_nodes(again.nodes).batch_size == 5


@pytest.mark.parametrize("given", [DataLoader(Plain(), batch_sampler=Pairs()), DataLoader(WHOLE, batch_size=None)])
def test_a_loader_that_draws_batches_decides_alone(given: Any) -> None:
    made = experiment(data=(given, Plain()))
    assert made.batch_size == "loader"
    assert Experiment.from_json(made.to_json(), data=(given, Plain())) == made
    for size in (5, "full", Choice(5, 10)):
        with pytest.raises(ExperimentError, match=r"batch_size=.*: the DataLoader draws batches by itself; leave"):
            experiment(data=(given, Plain()), batch_size=size)


def test_only_such_a_loader_has_batches_of_its_own() -> None:
    for given in (DataLoader(Plain(), batch_size=4, sampler=Twice()), Plain(), "digits"):
        with pytest.raises(ExperimentError, match="batch_size='loader' is for a DataLoader that draws"):
            experiment(data=given, batch_size="loader")


# ---- what is kept of it


DIFFERENT = {
    "tensors": (X, Y),
    "other features": (X + 1, Y),
    "other labels": (X, Y + 1),
    "other type": (X.double(), Y),
    "validation": {"train": (X, Y), "validation": (X, Y)},
    "test": {"train": (X, Y), "test": (X, Y)},
    "a data set": Plain(),
    "another": Listed(),
    "longer": Plain(29),
    "noise": Noisy(),
    "other items": Made(lambda index: (X[index], 1)),
    "read once": TorchData(Plain(), cache=True),
    "flow": (Counted(), Plain()),
}


def test_data_are_equal_exactly_if_their_fingerprints_are_and_an_experiments_hash_knows() -> None:
    made = {name: experiment(data=given) for name, given in DIFFERENT.items()}
    for name, one in made.items():
        for other_name, other in made.items():
            assert (one.data == other.data) == (name == other_name), (name, other_name)
            assert (one.hash == other.hash) == (name == other_name), (name, other_name)
        again = experiment(data=DIFFERENT[name])
        assert again.data == one.data
        assert hash(again.data) == hash(one.data)
        assert again.hash == one.hash


@pytest.mark.parametrize("name", DIFFERENT)
def test_json_keeps_no_more_than_what_tells_them_apart(name: str) -> None:
    made = experiment(data=DIFFERENT[name])
    form = json.loads(made.to_json())["data"]
    assert form["plugin"] == "torch"
    assert "sha256" in form["fields"]["train"]
    assert len(made.to_json()) < 3000
    assert Experiment.from_json(made.to_json(), data=DIFFERENT[name]) == made
    with pytest.raises(DataError, match="JSON keeps only the length and a hash of such data, so give it again"):
        Experiment.from_json(made.to_json())


def test_it_shows_what_it_is_and_not_what_is_in_it() -> None:
    assert repr(TorchData((X, Y))) == "TorchData(train=TensorDataset of 30)"
    shown = repr(TorchData(DataLoader(Plain()), Counted(), cache=False))
    assert shown == "TorchData(train=Plain of 30, validation=Counted)"
    assert repr(TorchData(Plain(), cache=True)) == "TorchData(train=Plain of 30, cache=True)"


def test_it_travels_without_what_was_read() -> None:
    made = TorchData(Listed(), cache=True)
    made.parted(validation=0.2, test=0.0, seed=0, scale="none", as_given=False)
    packed = cloudpickle.dumps(made)
    assert len(packed) < len(cloudpickle.dumps(Listed())) + 2000
    assert cloudpickle.loads(packed) == made


def test_rows_in_memory_are_loaded_as_a_table() -> None:
    found = TorchData((X, Y)).load()
    assert found.x.dtype == np.float64
    assert np.array_equal(found.y, Y.numpy())
    with pytest.raises(DataError, match="is read item by item and is no table"):
        TorchData(Plain()).load()


def test_an_experiment_reads_nothing_before_it_has_to() -> None:
    made = experiment(data=Broken(0))
    with pytest.raises(DataError, match="item 0 of the training data, Broken, raised ValueError"):
        made.to_json()


WITHOUT = """
import sys
from tunelab import Experiment
from tunelab.data import TorchData
from tunelab.plugins import listings
assert "torch" in listings("dataset")
Experiment(name="x", data={"plugin": "digits", "fields": {}}, model="mlp", optimizer="sgd")
for given in ({"train": 1}, [[1.0], [2.0]], object()):
    try:
        TorchData(given)
    except Exception as error:
        print(type(error).__name__, error)
assert "torch" not in sys.modules
"""


def test_nothing_of_this_imports_torch() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("DataError") == 3
