"""What cannot work is found before anything trains."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunelab import Choice, Experiment, Int
from tunelab.data import Arrays, fingerprint
from tunelab.errors import DataError, ExperimentError, PluginError, TunelabError
from tunelab.models import MLP, Branin, Quadratic
from tunelab.optimizers import SGD, GradientDescent
from tunelab.study.prepare import prepare

from .rig import Faulty, bowl, wine

X, Y = np.arange(40.0).reshape(20, 2), np.array([0, 1] * 10)
VALUES = np.linspace(0, 1, 20)


def test_rows_are_parted_and_described() -> None:
    experiment = wine(validation=0.25, test=0.25, scale="minmax")
    parts, record = prepare(experiment)
    assert record is not None
    assert (record.name, record.features, record.targets, record.outputs) == ("wine", 13, "classes", 3)
    assert record.rows == parts.rows
    assert sum(parts.rows.values()) == 178
    assert record.fingerprint == fingerprint(experiment.data.load())
    assert parts.x_train.min() == 0
    assert parts.x_train.max() == 1


def test_data_scales_in_its_own_way_unless_told() -> None:
    assert prepare(wine())[0].x_train.std(0) == pytest.approx(np.ones(13))
    assert prepare(wine(data="digits"))[0].x_train.max() == 1
    assert (prepare(wine(data="digits"))[0].spread == 1).all()
    assert (prepare(wine(data="digits", scale="standard"))[0].shift != 0).any()


def test_symbols_are_not_scaled_unless_told_which_is_refused() -> None:
    text = Arrays(np.arange(80).reshape(20, 4) % 7, Y, symbols=7)
    assert (prepare(wine(data=text, batch_size=8))[0].spread == 1).all()
    with pytest.raises(DataError, match=r"scale='standard': .* symbols"):
        prepare(wine(data=text, scale="standard"))


def test_the_split_follows_from_its_own_seed() -> None:
    first, second = prepare(wine(split_seed=1))[0], prepare(wine(split_seed=2))[0]
    assert (first.x_train != second.x_train).any()
    assert (first.x_train == prepare(wine(split_seed=1, epochs=9))[0].x_train).all()


def test_a_function_has_no_rows() -> None:
    parts, record = prepare(bowl())
    assert record is None
    assert parts.targets == "none"


BAD: list[tuple[Any, type[TunelabError], str]] = [
    (lambda: wine(data="none.csv"), DataError, "none.csv: no such file"),
    (
        lambda: wine(data=(X, Y), batch_size=16, validation=0.5),
        DataError,
        "batch of 16 rows .* training part of 10; lower",
    ),
    (lambda: wine(data=(X, Y), batch_size=Choice(4, 64)), DataError, "a batch of 64 rows is larger than .* of 16"),
    (lambda: wine(data=(X, Y), batch_size=Int(4, 17)), DataError, "a batch of 17 rows"),
    (lambda: wine(data=(X, Y), batch_size=Choice("full", 17)), DataError, "a batch of 17 rows"),
    (
        lambda: wine(data=(X, Y), batch_size=17, optimizer=Choice(GradientDescent, SGD)),
        DataError,
        "a batch of 17 rows .*or say batch_size='full'",
    ),
    (lambda: wine(data=(X, Y), validation=0.01), DataError, "leaves the validation part empty"),
    (
        lambda: wine(data=(X, VALUES), loss="cross_entropy"),
        DataError,
        "needs classes to predict, and this data has values",
    ),
    (
        lambda: wine(data=(X, Y), loss="mean_squared_error"),
        DataError,
        "needs values to predict, and this data has classes; use loss='cross_entropy'",
    ),
    (
        lambda: wine(data=(X, VALUES), batch_size=4),
        ExperimentError,
        "maximize='val_accuracy' is not measured; Known: lr, train_loss, val_loss",
    ),
    (
        lambda: wine(maximize="val_acc"),
        ExperimentError,
        "maximize='val_acc' is not measured; did you mean 'val_accuracy'",
    ),
    (lambda: wine(maximize=None, minimize="loss"), ExperimentError, "minimize='loss' is not measured; .*'val_loss'"),
    (lambda: bowl(minimize="val_loss"), ExperimentError, "minimize='val_loss' is not measured; .*'loss'"),
    (lambda: bowl(model=MLP()), ExperimentError, "the model mlp needs data; give data='digits', arrays"),
    (lambda: bowl(model=Choice(Branin(), MLP())), ExperimentError, "the model mlp needs data"),
    (
        lambda: wine(model=Quadratic()),
        ExperimentError,
        "quadratic is a function .*but data=wine is given; leave data out",
    ),
    (lambda: wine(model=Choice(MLP(), Quadratic())), ExperimentError, "the model quadratic is a function"),
]


@pytest.mark.parametrize(("make", "error", "says"), BAD, ids=[case[2][:30] for case in BAD])
def test_what_cannot_work_is_refused(make: Any, error: type[TunelabError], says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says) as caught:
        prepare(make())
    assert len(str(caught.value)) < 400
    with pytest.raises(error, match=says):
        make().run(trials=1, folder=tmp_path / "studies")
    assert not (tmp_path / "studies").exists(), "nothing was begun"


def test_a_batch_size_that_no_rule_looks_at_may_be_large() -> None:
    prepare(wine(data=(X, Y), batch_size=99, optimizer=GradientDescent))
    prepare(wine(data=(X, Y), batch_size=16))
    prepare(wine(data=(X, Y), batch_size="full"))


@pytest.mark.parametrize("name", ["data.csv", "data.npz"])
@pytest.mark.parametrize(
    ("text", "says"),
    [("", "the file is empty"), ("a,b\n1,2\n1,2,3\n", "line 3"), ("a,b\n1,nan\n2,1\n", "nan in row 0")],
)
def test_a_broken_file_is_refused_where_it_is_named(name: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    said = says if name == "data.csv" or not text else "not a readable .npz"
    with pytest.raises(DataError, match=f"{name}: .*{said}"):
        prepare(wine(data=str(tmp_path / name), minimize="val_loss", maximize=None, batch_size=1))


def test_a_model_that_cannot_be_built_is_refused_where_it_is_the_first() -> None:
    with pytest.raises(ExperimentError, match="the model faulty cannot be built: ValueError: no such network"):
        prepare(wine(model=Faulty(where="layers")))


def test_an_alternative_without_a_field_that_it_needs_is_refused() -> None:
    class Demanding(SGD):
        """A rule with a field that nobody gives a value."""

        needed: float

    experiment = wine(optimizer=Choice(SGD, Demanding))
    with pytest.raises(PluginError, match="needed"):
        prepare(experiment)


def test_the_checks_cost_no_training_data_copy() -> None:
    given = Experiment(name="rows", data=(X, Y), model=MLP(), optimizer="sgd", batch_size=4)
    parts, _ = prepare(given)
    assert parts.x_train.dtype == np.float64
