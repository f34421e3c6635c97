"""The laws of a data set: the same rows each time, and rows that can be trained on."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tunelab.contracts import Dataset, Model, Table
from tunelab.data import fingerprint, split
from tunelab.encoding import decode, encode
from tunelab.experiments import Experiment
from tunelab.models import GRU, LinearRegression, SoftmaxRegression
from tunelab.optimizers import Adam
from tunelab.testing.contract import require_contract, require_json
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Orders, State, Trial


class DatasetConformance:
    """Inherit, and give a `dataset`: a test class then holds it to its laws.

    import pytest
    from tunelab.testing import DatasetConformance

    class TestMine(DatasetConformance):
        @pytest.fixture
        def dataset(self):
            return Mine(rows=200)
    """

    @pytest.fixture
    def dataset(self) -> Dataset:
        """Return the data set under test."""
        raise NotImplementedError("define a fixture named `dataset` that returns the data set under test")

    def test_it_keeps_the_contract(self, dataset: Dataset) -> None:
        """Every default lies within its field's bounds, and the way to scale features is a known one."""
        require_contract(dataset, Dataset)
        known = ("standard", "minmax", "none")
        assert dataset.scale in known, f"{dataset!r}: scale must be one of {', '.join(known)}, was {dataset.scale!r}"

    def test_it_survives_json(self, dataset: Dataset) -> None:
        """An experiment on it can be written and read back, and loads the same rows."""
        require_json(Experiment(name="conformance", data=dataset, model="mlp", optimizer="sgd"))
        again = decode(encode(dataset), "dataset")
        _require_same(dataset, dataset.load(), again.load(), "read back from JSON")

    def test_loading_twice_gives_the_same_rows(self, dataset: Dataset) -> None:
        """Also after somebody has changed what was loaded first."""
        first = dataset.load()
        kept = replace(first, x=first.x.copy(), y=first.y.copy())
        _require_same(dataset, kept, dataset.load(), "loaded a second time")
        for values in (first.x, first.y):
            if values.flags.writeable:
                values[...] = 0
        _require_same(dataset, kept, dataset.load(), "loaded after the first table was overwritten")

    def test_features_are_finite_rows(self, dataset: Dataset) -> None:
        """x is `(rows, features)`, float, at least two rows, nothing missing."""
        x = dataset.load().x
        assert isinstance(x, np.ndarray), f"{dataset!r}: x must be an array, was {type(x).__name__}"
        assert x.ndim == 2, f"{dataset!r}: x must be (rows, features), was {x.shape}; x.reshape(len(x), -1) flattens"
        assert len(x) >= 2, f"{dataset!r}: x must have two rows or more, to train on one and validate on another"
        assert x.shape[1], f"{dataset!r}: x must have a feature or more, was {x.shape}"
        assert x.dtype.kind == "f", f"{dataset!r}: x must be float, was {x.dtype}"
        _require_finite(dataset, "x", x)

    def test_a_row_is_what_it_says(self, dataset: Dataset) -> None:
        """A shape has as many numbers as a row, and symbols are whole numbers below their count."""
        table = dataset.load()
        numbers = table.x.shape[1]
        assert math.prod(table.inputs.shape) == numbers, (
            f"{dataset!r}: shape {table.shape} is {math.prod(table.shape)} numbers a row, and x has {numbers}"
        )
        if table.symbols:
            wrong = (table.x % 1 != 0) | (table.x < 0) | (table.x >= table.symbols)
            assert not wrong.any(), (
                f"{dataset!r}: x of {table.symbols} symbols must be whole numbers from 0 to {table.symbols - 1}, was "
                f"{table.x[wrong][0]:g} somewhere"
            )

    def test_targets_are_what_they_say(self, dataset: Dataset) -> None:
        """y is a class index `(rows,)`, or one for each place `(rows, places)`, or values `(rows, outputs)`."""
        table = dataset.load()
        assert table.targets in ("classes", "values"), (
            f"{dataset!r}: targets must be 'classes' or 'values', was {table.targets!r}"
        )
        assert len(table.y) == len(table.x), f"{dataset!r}: x has {len(table.x)} rows and y {len(table.y)}"
        if table.targets == "classes":
            _require_classes(dataset, table)
        else:
            assert table.y.ndim == 2, f"{dataset!r}: values must be (rows, outputs), were {table.y.shape}; y[:, None]"
            assert table.y.dtype.kind == "f", f"{dataset!r}: values must be float, were {table.y.dtype}"
            assert not table.classes, f"{dataset!r}: values have no classes, were {table.classes}"
            _require_finite(dataset, "y", table.y)

    def test_a_model_trains_on_it_for_an_epoch(self, dataset: Dataset) -> None:
        """From loading to a finite validation loss, as in a study."""
        table = dataset.load()
        model, backend = _model_for(table), "torch" if table.places else "numpy"
        experiment = Experiment(
            name="conformance", data=dataset, model=model, optimizer=Adam(), epochs=1, backend=backend
        )
        scale = "none" if table.symbols else dataset.scale
        trainer = Trainer(Job(experiment, split(table, scale=scale)))
        progress = trainer.round(Orders(start=(Trial(0, 0, {}),)))
        ended = progress.ended[0]
        assert ended.state is State.COMPLETE, f"{dataset!r}: {model!r} did not train on it for an epoch: {ended.reason}"


def _model_for(table: Table) -> Model:
    """Return what can train on it: where each place has a class, a network for text, which needs PyTorch."""
    if table.places:
        if not table.symbols:
            pytest.skip("no model of tunelab's own tells a class at each place of real numbers")
        pytest.importorskip("torch", reason="a class at each place needs a model on PyTorch")
        return GRU(width=4)
    return SoftmaxRegression() if table.targets == "classes" else LinearRegression()


def _require_same(dataset: Dataset, expected: Table, found: Table, saying: str) -> None:
    wanted, was = fingerprint(expected), fingerprint(found)
    alike = np.array_equal(np.sort(expected.x, axis=0), np.sort(found.x, axis=0)) if wanted != was else True
    hint = "the rows are the same in another order; " if alike else ""
    assert wanted == was, (
        f"{dataset!r}: {saying}, its fingerprint is {was[:12]} in place of {wanted[:12]}; {hint}load must return the "
        "same rows in the same order each time (the experiment's split_seed shuffles them), in arrays of their own"
    )
    about = [(table.targets, table.classes, table.source, table.inputs) for table in (expected, found)]
    assert about[0] == about[1], f"{dataset!r}: {saying}, it is {about[1]} in place of {about[0]}"


def _require_finite(dataset: Dataset, name: str, values: np.ndarray) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise AssertionError(f"{dataset!r}: {name}[{row}, {column}] is {values[row, column]}; fill or drop such rows")


def _require_classes(dataset: Dataset, table: Table) -> None:
    y, classes = table.y, table.classes
    assert y.ndim in (1, 2), f"{dataset!r}: class indices must be (rows,) or (rows, places), were {y.shape}"
    assert y.dtype.kind in "iu", f"{dataset!r}: class indices must be integers, were {y.dtype}"
    assert len(classes) >= 2, f"{dataset!r}: classes must name two labels or more, was {classes}"
    assert len(set(classes)) == len(classes), f"{dataset!r}: classes names a label twice: {classes}"
    assert all(isinstance(label, str) for label in classes), f"{dataset!r}: classes must be text, was {classes}"
    assert set(np.unique(y).tolist()) <= set(range(len(classes))), (
        f"{dataset!r}: class indices must run from 0 to {len(classes) - 1}, ran from {y.min()} to {y.max()}"
    )
