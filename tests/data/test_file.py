import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tunelab.data import DataFile
from tunelab.errors import DataError, PluginError

CSV = "a,b,kind\n1,2.5,u\n3,4,v\n5,6,u\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["rows.csv", "rows.CSV", "rows.parquet", "rows.npz"])
def test_all_formats_load_alike(here, name):
    frame = pd.DataFrame({"a": [1, 3, 5], "b": [2.5, 4, 6], "kind": ["u", "v", "u"]})
    if name == "rows.npz":
        np.savez(name, x=frame[["a", "b"]].to_numpy(), y=frame["kind"].to_numpy(np.str_))
    elif name == "rows.parquet":
        frame.to_parquet(name)
    else:
        Path(name).write_text(CSV)
    table = DataFile(name).load()
    np.testing.assert_array_equal(table.x, [[1, 2.5], [3, 4], [5, 6]])
    np.testing.assert_array_equal(table.y, [0, 1, 0])
    assert table.classes == ("u", "v")
    assert table.source == str(here / name)


def test_the_target_is_the_named_column_else_the_last(here):
    Path("rows.csv").write_text("price,size,rooms\n1.5,10,2\n2.5,20,3\n")
    last, named = DataFile("rows.csv").load(), DataFile("rows.csv", target="price").load()
    np.testing.assert_array_equal(last.x, [[1.5, 10], [2.5, 20]])
    assert last.classes == ("2", "3")
    np.testing.assert_array_equal(named.x, [[10, 2], [20, 3]])
    np.testing.assert_array_equal(named.y, [[1.5], [2.5]])
    np.testing.assert_array_equal(DataFile("rows.csv", targets="values").load().y, [[2], [3]])


def test_categorical_columns_are_classes(here):
    pd.DataFrame({"a": [1, 2, 3], "k": pd.Categorical(["v", "u", "v"])}).to_parquet("rows.parquet")
    assert DataFile("rows.parquet").load().classes == ("u", "v")


def test_the_path_stays_as_given_and_is_resolved_on_loading(here, monkeypatch):
    data = DataFile(Path("rows.csv"))
    assert data == DataFile(path="rows.csv")
    assert DataFile("./rows.csv").model_dump(mode="json")["path"] == "./rows.csv"
    assert DataFile(**data.model_dump(mode="json")) == data
    (here / "below").mkdir()
    Path("below/rows.csv").write_text(CSV)
    with pytest.raises(DataError, match="no such file"):
        data.load()
    monkeypatch.chdir("below")
    assert len(data.load().x) == 3
    monkeypatch.setenv("HOME", str(here / "below"))
    assert len(DataFile("~/rows.csv").load().x) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n", "no rows"),
        ("a;b\n1;2\n3;4\n", "no feature column beside the target 'a;b'; are the fields separated by commas"),
        ("a,b\n1,2\n3\n", "line 3 must have 2 fields"),
        ("a,b\n1,2\n,4\n", "column 'a' is nan in row 1"),
        ("a,b\n1,2\ninf,4\n", "column 'a' is inf in row 1"),
        ("a,b\nred,2\nblue,4\n", "column 'a' holds 'red' in row 0 .*encode it as numbers"),
        ("a,b\n1,u\n2,\n3,v\n", "the target column 'b' is nan in row 1"),
        ("a,b\n1,u\n2,u\n", r"the target column 'b' has one class only \('u'\)"),
    ],
)
def test_a_bad_csv_is_refused(here, text, message):
    Path("rows.csv").write_text(text)
    with pytest.raises(DataError, match=f"^rows.csv: .*{message}"):
        DataFile("rows.csv").load()


def test_an_unknown_target_is_refused_with_near_names(here):
    Path("rows.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"rows.csv: no column 'kid' .*did you mean 'kind'\? Known: a, b, kind"):
        DataFile("rows.csv", target="kid").load()


def test_a_missing_file_is_refused_with_near_names(here):
    Path("rows.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"^row.csv: no such file in .*; did you mean 'rows.csv'\?$"):
        DataFile("row.csv").load()
    with pytest.raises(DataError, match=r"no such file in .*none there has a similar name"):
        DataFile("atlantis.parquet").load()
    with pytest.raises(DataError, match=r"no such file; there is no folder .*nowhere"):
        DataFile("nowhere/rows.csv").load()


def test_folders_and_other_kinds_are_refused(here):
    Path("rows.txt").write_text(CSV)
    with pytest.raises(DataError, match=r"ends in .csv, .parquet or .npz, was 'rows.txt'"):
        DataFile("rows.txt").load()
    with pytest.raises(DataError, match="a folder, not a file"):
        DataFile(".").load()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x_train": np.eye(2), "labels": [0, 1]},
            "needs the arrays x and y, has labels, x_train; write it with np.savez",
        ),
        ({"x": np.eye(2)}, "needs the arrays x and y, has x"),
        ({}, "has none"),
        ({"x": np.eye(2), "y": [0, 1, 1]}, "x has 2 rows and y 3"),
        ({"x": np.array([[1, None]]), "y": [0]}, "Python objects, which is not read because it can run code"),
        ({"x": np.eye(2), "y": np.array(["a", "b"], object)}, "Python objects"),
        ({"x": [[1, np.nan], [1, 2]], "y": [0, 1]}, "column 1 of x is nan in row 0"),
        ({"x": np.zeros((2, 0, 4)), "y": [0, 1]}, "no columns"),
    ],
)
def test_a_bad_npz_is_refused(here, arrays, message):
    np.savez("rows.npz", **arrays)
    with pytest.raises(DataError, match=f"^rows.npz: .*{message}"):
        DataFile("rows.npz").load()


class _Bomb:
    def __reduce__(self):
        return (Path("exploded").touch, ())


@pytest.mark.parametrize("content", [b"garbage", b"PK\x03\x04 cut short", pickle.dumps(_Bomb())])
def test_what_is_not_npz_is_refused_and_never_run(here, content):
    Path("rows.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"^rows.npz: not a readable .npz file"):
        DataFile("rows.npz").load()
    assert not Path("exploded").exists()


def test_an_npz_may_hold_images(here):
    images = np.arange(24.0).reshape(2, 1, 3, 4)
    np.savez("rows.npz", x=images, y=[0, 1])
    table = DataFile("rows.npz").load()
    assert table.inputs.shape == (1, 3, 4)
    np.testing.assert_array_equal(table.x, images.reshape(2, 12))


def test_a_single_array_named_npz_is_refused(here):
    with Path("rows.npz").open("wb") as file:
        np.save(file, np.eye(2))
    with pytest.raises(DataError, match=r"not a readable .npz file"):
        DataFile("rows.npz").load()


def test_an_npz_has_no_target_to_name(here):
    np.savez("rows.npz", x=np.eye(2), y=[0, 1])
    with pytest.raises(DataError, match="no column 'y' to name"):
        DataFile("rows.npz", target="y").load()


def test_missing_and_unknown_fields_are_named():
    with pytest.raises(PluginError, match="path: field required"):
        DataFile()
    with pytest.raises(PluginError, match="did you mean 'target"):
        DataFile("rows.csv", taget="a")
    with pytest.raises(PluginError, match="path: input should be a valid string, was 3"):
        DataFile(3)


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "x" * 300 + "/a.csv", "a\0b.csv", "\udcff.csv", "a\nb.csv"])
def test_a_name_that_no_file_can_have_is_refused(here, name):
    with pytest.raises(DataError, match="no such file"):
        DataFile(name).load()
