import numpy as np
import pytest

from tunelab.errors import DataError, PluginError
from tunelab_data import Shakespeare


def spelt(table, row: int) -> str:
    return "".join(table.classes[int(code)] for code in [*table.x[row], table.y[row]])


def test_rows_are_the_text_without_a_gap_or_an_overlap() -> None:
    ten, all_of_it = Shakespeare(length=9, rows=40).load(), Shakespeare(length=399, rows=1).load()
    assert "".join(spelt(ten, row) for row in range(40)) == spelt(all_of_it, 0)
    assert spelt(all_of_it, 0).startswith("HAMLET, PRINCE OF DENMARK\n\nby William Shakespeare\n")


def test_all_rows_are_about_a_million_characters() -> None:
    table = Shakespeare().load()
    assert 1_000_000 < table.x.size + table.y.size < 1_100_000
    assert len(table.classes) == len(set(table.classes)) == 1 + table.x.max()


def test_symbols_are_the_same_whatever_the_rows() -> None:
    assert Shakespeare(rows=5).load().classes == Shakespeare(length=3).load().classes


def test_one_hot_says_the_same() -> None:
    plain, marked = Shakespeare(length=5, rows=30).load(), Shakespeare(length=5, rows=30, one_hot=True).load()
    cube = marked.x.reshape(30, 5, len(plain.classes))
    np.testing.assert_array_equal(cube.argmax(-1), plain.x)
    assert (cube.sum(-1) == 1).all()


def test_more_rows_than_there_are_is_an_error() -> None:
    with pytest.raises(DataError, match=r"length=99\): 90000 rows were asked for, and the text .* holds 1\d{4}; lower"):
        Shakespeare(length=99, rows=90_000).load()
    with pytest.raises(DataError, match="holds 0; lower rows or length"):
        Shakespeare(length=10**8).load()
    with pytest.raises(PluginError, match="Shakespeare: length"):
        Shakespeare(length=0)
