import sys

import pytest

from tunelab.data.frame import csv_frame, parquet_frame
from tunelab.errors import DataError


@pytest.fixture
def read(tmp_path):
    def read(text, encoding="utf-8"):
        path = tmp_path / "rows.csv"
        path.write_bytes(text.encode(encoding))
        return csv_frame(path, "rows.csv")

    return read


def test_numbers_are_read_to_the_last_bit(read):
    numbers = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 8.41046856310402]
    assert read("a\n" + "\n".join(map(repr, numbers)) + "\n")["a"].tolist() == numbers


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "a,b\r\n1,2\r\n", "\ufeffa,b\n1,2\n", 'a,"b"\n"1",2', "\na,b\n\n1,2\n\n"]
)
def test_line_ends_marks_quotes_and_blank_lines_are_understood(read, text):
    assert read(text).to_dict("list") == {"a": [1], "b": [2]}


def test_columns_named_by_their_numbers_are_named(read):
    assert list(read("0,1\n7,8\n").columns) == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", "line 3 must have 2 fields like the first line, has 3"),
        ("a,b\n1,2\n3\n", "line 3 must have 2 fields .*has 1"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2 must have 2 fields .*has 3"),
        ("a,b\n0,2,3\n1,5,6\n", "line 2 must have 2 fields .*has 3"),
        ('a,b\n1,"x\ny"\n3\n', "line 4 must have 2 fields .*has 1"),
        ("\n\n", "the file is empty"),
        ("1.5,2\n3,4\n", "the first line must name the columns, but begins with 1.5, 2"),
        (",a\n0,5\n", r"column 0 \(counted from 0\) has no name.*index=False"),
        ("a,b,\n1,2,\n", "column 2 .*has no name"),
        ('a,b\n1,"x\n', "cannot be read as csv: .*EOF inside string"),
    ],
)
def test_bad_csv_is_refused(read, text, message):
    with pytest.raises(DataError, match=f"^rows.csv: .*{message}"):
        read(text)


def test_other_encodings_are_refused(read):
    with pytest.raises(DataError, match=r"rows.csv: not UTF-8 text; save it as UTF-8"):
        read("a,b\n1,é\n", encoding="latin-1")


def test_what_is_not_parquet_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"^rows.parquet: cannot be read as parquet"):
        parquet_frame(path, "rows.parquet")


def test_without_pandas_says_what_to_install(monkeypatch, read):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DataError, match="pip install pandas"):
        read("a,b\n1,2\n")
