import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from tunelab.contracts import Dataset, Inputs
from tunelab.data import Arrays
from tunelab.errors import DataError, PluginError

X = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
Y = [0, 1, 0]


def test_loads_what_it_was_given():
    table = Arrays(X, Y).load()
    np.testing.assert_array_equal(table.x, X)
    np.testing.assert_array_equal(table.y, Y)
    assert (table.classes, table.source) == (("0", "1"), "memory")
    assert isinstance(Arrays(x=X, y=Y), Dataset)


def test_takes_frames():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True], "kind": ["u", "v", "u"]})
    table = Arrays(frame[["a", "b"]], frame["kind"]).load()
    np.testing.assert_array_equal(table.x, [[1, 1], [2, 0], [3, 1]])
    assert table.classes == ("u", "v")


def test_later_changes_to_the_given_arrays_do_not_reach_it():
    x, y = np.array(X), np.array([1.0, 2.0, 3.0])
    data = Arrays(x, y)
    x[:], y[:] = 9, 9
    np.testing.assert_array_equal(data.load().x, X)
    np.testing.assert_array_equal(data.load().y, [[1], [2], [3]])
    with pytest.raises(ValueError, match="read-only"):
        data.x[0, 0] = 9


def test_equal_content_is_equal_and_hashes_alike():
    same = Arrays(np.array(X, order="F", dtype=np.float32), np.array(Y, dtype=np.int8))
    assert Arrays(X, Y) == same
    assert len({Arrays(X, Y), same}) == 1
    assert Arrays(X, Y).structure() == same.structure()
    assert {Arrays(X, Y).structure(): 1}[same.structure()] == 1


@pytest.mark.parametrize(
    "other",
    [
        Arrays([[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]], Y),
        Arrays(X, [1, 0, 1]),
        Arrays(X, ["a", "b", "a"]),
        Arrays(X, Y, targets="values"),
        3,
    ],
)
def test_other_content_is_not_equal(other):
    assert Arrays(X, Y) != other


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
def test_copies_are_equal(copied):
    data = copied(Arrays(X, Y))
    assert data == Arrays(X, Y)
    np.testing.assert_array_equal(data.load().x, X)


def test_repr_shows_shapes_only():
    assert repr(Arrays(np.zeros((500, 2)), np.zeros(500))) == (
        "Arrays(x=float64 (500, 2), y=float64 (500,), targets='auto')"
    )


def test_json_identifies_the_rows_and_does_not_hold_them():
    form = Arrays(X, Y).model_dump(mode="json")
    assert form["x"].startswith("float64 (3, 2) sha256 ")
    assert form == Arrays(np.array(X), np.array(Y)).model_dump(mode="json")
    assert form != Arrays(X, [1, 0, 1]).model_dump(mode="json")
    with pytest.raises(DataError, match="shape and hash of rows in memory, so give them again"):
        Arrays(**form)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, [0, 1], "x has 3 rows and y 2"),
        (X, [0, 0, 0], "one class only"),
        ([[1], [float("nan")]], [0, 1], "column 0 of x is nan in row 1"),
        ([[1, 2], [3]], [0, 1], "row 1 has length 1"),
        ([], [], "no rows"),
        (X, ["a", None, "b"], "y is None in row 1"),
        (np.zeros((3, 2, 0)), Y, "no columns"),
    ],
)
def test_bad_arrays_are_refused_at_construction(x, y, message):
    with pytest.raises(DataError, match=f"^Arrays: .*{message}"):
        Arrays(x, y)


IMAGES = np.arange(36.0).reshape(3, 1, 3, 4)
TEXT = np.array([[0, 2, 1], [2, 1, 0], [1, 1, 2]])


def test_images_are_kept_flat_and_their_shape_is_known():
    table = Arrays(IMAGES, Y).load()
    np.testing.assert_array_equal(table.x, IMAGES.reshape(3, 12))
    assert (table.inputs, table.shape) == (Inputs((1, 3, 4)), (1, 3, 4))
    assert Arrays(IMAGES.reshape(3, 12), Y, shape=(1, 3, 4)) == Arrays(IMAGES, Y)
    assert Arrays(IMAGES, Y, shape=(3, 2, 2)).load().inputs == Inputs((3, 2, 2))
    assert Arrays(X, Y, shape=(2,)) == Arrays(X, Y)
    assert repr(Arrays(IMAGES, Y, symbols=36)) == (
        "Arrays(x=float64 (3, 1, 3, 4), y=int64 (3,), targets='auto', symbols=36)"
    )


def test_symbols_are_what_is_said_to_be():
    assert Arrays(TEXT, Y).load().inputs == Inputs((3,))
    assert Arrays(TEXT, Y, symbols=5).load().inputs == Inputs((3,), symbols=5)


def test_a_class_for_every_place_has_to_be_asked_for():
    assert Arrays(TEXT, TEXT).load().targets == "values"
    table = Arrays(TEXT, TEXT, targets="classes", symbols=3).load()
    assert (table.targets, table.places, table.classes) == ("classes", 3, ("0", "1", "2"))
    np.testing.assert_array_equal(table.y, TEXT)


@pytest.mark.parametrize(
    "other",
    [
        Arrays(IMAGES.reshape(3, 12), Y),
        Arrays(IMAGES, Y, shape=(1, 4, 3)),
        Arrays(IMAGES, Y, symbols=36),
        Arrays(IMAGES, Y, symbols=37),
    ],
)
def test_what_a_row_is_tells_data_apart(other):
    assert Arrays(IMAGES, Y) != other


@pytest.mark.parametrize(
    ("x", "fields", "message"),
    [
        (X, {"shape": (1, 8, 8)}, r"shape=\(1, 8, 8\) is 64 numbers a row, and x has 2; give \(channels"),
        (TEXT, {"symbols": 2}, r"symbols=2 needs x of whole numbers from 0 to 1, and x\[0, 1\] is 2"),
        (TEXT - 1, {"symbols": 2}, r"x\[0, 0\] is -1"),
        (TEXT / 2, {"symbols": 2}, r"x\[0, 2\] is 0.5"),
    ],
)
def test_what_a_row_cannot_be_is_refused(x, fields, message):
    with pytest.raises(DataError, match=f"^Arrays: .*{message}"):
        Arrays(x, Y, **fields)


def test_tensors_are_taken_as_they_are():
    torch = pytest.importorskip("torch")
    images = torch.arange(36).reshape(3, 1, 3, 4)
    assert Arrays(images, torch.tensor(Y)) == Arrays(IMAGES, Y)
    assert Arrays(images.half(), torch.tensor(Y)).load().x.dtype == np.float64


def test_missing_and_unknown_fields_are_named():
    with pytest.raises(PluginError, match="y: field required"):
        Arrays(X)
    with pytest.raises(PluginError, match="did you mean 'targets'"):
        Arrays(X, Y, target="values")
    with pytest.raises(PluginError, match="'classes' or 'values', was 'labels'"):
        Arrays(X, Y, targets="labels")
