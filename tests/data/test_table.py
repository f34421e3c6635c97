import numpy as np
import pandas as pd
import pytest

from tunelab.contracts import Inputs
from tunelab.data.table import MOST_CLASSES, features, table, target
from tunelab.errors import DataError

NAN, INF = float("nan"), float("inf")


def read(y, wish="auto"):
    y = target(y, "here")
    return table(np.zeros((len(y), 1)), y, wish, source="test", where="here")


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2.5], [3, 4]],
        np.array([[1, 2.5], [3, 4]], dtype=np.float32),
        np.array([[1, 2.5], [3, 4]], order="F"),
        np.array([[1, 2.5], [3, 4]], dtype=object),
        pd.DataFrame({"a": [1, 3], "b": [2.5, 4]}),
        pd.DataFrame({"a": pd.array([1, 3], dtype="Int64"), "b": pd.array([2.5, 4], dtype="Float64")}),
    ],
    ids=["lists", "float32", "column-major", "objects", "frame", "nullable frame"],
)
def test_features_become_contiguous_float64(x):
    found = features(x, "here")
    np.testing.assert_array_equal(found, [[1, 2.5], [3, 4]])
    assert found.dtype == np.float64
    assert found.flags.c_contiguous


def test_booleans_are_features_and_one_axis_is_one_feature():
    np.testing.assert_array_equal(features(pd.DataFrame({"a": [True, False], "b": [1, 2]}), "here"), [[1, 1], [0, 2]])
    np.testing.assert_array_equal(features(pd.Series([1, 2, 3]), "here"), [[1], [2], [3]])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (3, r"\(rows, features\), was int"),
        (np.array([[[1, 2], [3, NAN]]]), r"place \(1, 1\) of x is nan in row 0"),
        (np.zeros((3, 0, 8)), "no columns"),
        ([], "no rows"),
        (np.zeros((0, 3)), "no rows"),
        (pd.DataFrame({"a": []}), "no rows"),
        (np.zeros((3, 0)), "no columns"),
        ([[1, 2], [3, 4], [5]], "row 2 has length 1, row 0 has 2"),
        ([[1, 2], [NAN, 4]], r"column 0 of x is nan in row 1 \(counted from 0\); fill or drop"),
        ([[1, INF], [NAN, 4]], r"column 1 of x is inf in row 0 .*one of 2 such values"),
        ([[1, "a"], [2, "b"]], "column 1 of x holds 'a' in row 0 .*encode it as numbers"),
        ([[1, None], [2, 3]], "column 1 of x holds None in row 0 .*fill or drop"),
        (np.array(["2020-01-01"], "M8[ns]"), "column 0 of x holds np.datetime64.*not a number"),
        (np.zeros((2, 1), complex), "column 0 of x holds .*not a number"),
        (pd.DataFrame({"a": [1, 2], "colour": ["red", "blue"]}), "column 'colour' holds 'red' in row 0 .*encode"),
        (pd.DataFrame({"a": ["1", "2", "?"]}), r"column 'a' holds '\?' in row 2"),
        (pd.DataFrame({"a": ["1", "2"]}), "column 'a' holds '1' in row 0"),
        (pd.DataFrame({"b": pd.array([1, None], dtype="Int64")}), "column 'b' .*row 1 .*fill or drop"),
    ],
)
def test_bad_features_are_refused(x, message):
    with pytest.raises(DataError, match=f"^here: .*{message}"):
        features(x, "here")


@pytest.mark.parametrize(
    ("y", "classes", "indices"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (np.array(["b", "a", "b"]), ("a", "b"), [1, 0, 1]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([7, -1, 7], ("-1", "7"), [1, 0, 1]),
        (np.array([[3], [2], [3]]), ("2", "3"), [1, 0, 1]),
        (["a", 1, "a"], ("1", "a"), [1, 0, 1]),
        (pd.Series(["b", "a", "b"]), ("a", "b"), [1, 0, 1]),
        (pd.Series([1.5, 0.5, 1.5], dtype="category"), ("0.5", "1.5"), [1, 0, 1]),
    ],
    ids=["text", "text array", "bool", "int", "one column", "mixed", "series", "categorical"],
)
def test_labels_become_sorted_classes(y, classes, indices):
    found = read(y)
    assert (found.targets, found.classes, found.outputs) == ("classes", classes, 2)
    np.testing.assert_array_equal(found.y, indices)
    assert found.y.dtype == np.int64


def test_a_row_of_several_axes_stays_as_it_is_and_gives_the_table_its_shape():
    x = np.arange(48).reshape(2, 3, 4, 2)
    found = features(x, "here")
    assert (found.shape, found.dtype) == (x.shape, np.float64)
    made = table(found, np.array([0, 1]), "auto", source="test", where="here")
    np.testing.assert_array_equal(made.x, x.reshape(2, 24))
    assert (made.shape, made.inputs) == ((3, 4, 2), Inputs((3, 4, 2)))
    assert table(features(x[:, 0, 0], "here"), np.array([0, 1]), "auto", source="test", where="here").shape == ()


def test_wished_classes_of_several_columns_are_a_class_for_each_place():
    found = read([["b", "a"], ["a", "c"]], "classes")
    assert (found.targets, found.classes, found.outputs, found.places) == ("classes", ("a", "b", "c"), 3, 2)
    np.testing.assert_array_equal(found.y, [[1, 0], [0, 2]])
    assert read([[7, 9], [9, 7]], "classes").places == 2
    assert read([[7, 9], [9, 7]]).targets == "values"


def test_integers_are_classes_up_to_twenty_distinct_values():
    assert MOST_CLASSES == 20
    assert read(np.arange(20)).targets == "classes"
    assert read(np.arange(21)).targets == "values"


def test_integer_classes_are_sorted_as_numbers():
    assert read([10, 9, 10]).classes == ("9", "10")


@pytest.mark.parametrize("y", [[1.0, 2.0], [[1.0], [2.0]], np.array([1, 2], dtype=np.float32)])
def test_real_numbers_are_values_in_columns(y):
    found = read(y)
    assert (found.targets, found.classes, found.outputs) == ("values", (), 1)
    np.testing.assert_array_equal(found.y, [[1.0], [2.0]])
    assert found.y.dtype == np.float64


def test_several_columns_are_values():
    assert read([[1, 0], [0, 1]]).outputs == 2


def test_a_wish_overrides():
    np.testing.assert_array_equal(read([1, 2, 2], "values").y, [[1], [2], [2]])
    np.testing.assert_array_equal(read([True, False], "values").y, [[1], [0]])
    assert read([0.0, 1.0, 1.0], "classes").classes == ("0.0", "1.0")
    assert len(read(np.arange(30), "classes").classes) == 30


@pytest.mark.parametrize(
    ("y", "wish", "message"),
    [
        (["a", "a"], "auto", r"y has one class only \('a'\); at least two"),
        ([1, 1], "auto", "one class only"),
        (["a", "b"], "values", r"y is text \('a'\) and cannot be values"),
        (np.eye(2), "classes", r"y is one-hot, \(2, 2\); give one label a row: y.argmax\(axis=1\)"),
        ([["a", "b"], ["c", "d"]], "auto", r"one column of labels, was \(2, 2\); .* targets='classes'"),
        ([["a", "a"], ["a", "a"]], "classes", "one class only"),
        ([1.0, NAN], "auto", "y is nan in row 1"),
        ([[1.0, INF], [0.0, 1.0]], "auto", "column 1 of y is inf in row 0"),
        (["a", None], "auto", "y is None in row 1 .*fill or drop"),
        (pd.Series(["a", None], dtype="category"), "auto", "y is nan in row 1 .*fill or drop"),
        ([{"a": 1}, {"b": 2}], "auto", "y is {'a': 1} in row 0 .*labels are text or numbers"),
        (np.array(["2020-01-01"], "M8[ns]"), "auto", "labels or numbers, was datetime64"),
        (np.zeros((2, 2, 2)), "auto", r"\(rows,\) or \(rows, outputs\), was \(2, 2, 2\)"),
        ("abc", "auto", "was str"),
    ],
)
def test_bad_targets_are_refused(y, wish, message):
    with pytest.raises(DataError, match=f"^here: .*{message}"):
        read(y, wish)


def test_rows_and_targets_must_agree():
    with pytest.raises(DataError, match="here: x has 3 rows and y 2"):
        table(np.zeros((3, 1)), np.zeros(2), "auto", source="test", where="here")
