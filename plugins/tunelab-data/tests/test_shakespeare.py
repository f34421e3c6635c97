import numpy as np
import pytest

from tunelab.contracts import Inputs
from tunelab.errors import DataError, PluginError
from tunelab_data import Shakespeare


def spelt(table, row: int) -> str:
    last = table.y[row] if table.y.ndim == 1 else table.y[row, -1]
    return "".join(table.classes[int(code)] for code in [*table.x[row], last])


def test_rows_are_the_text_without_a_gap_or_an_overlap() -> None:
    ten, all_of_it = Shakespeare(length=9, rows=40).load(), Shakespeare(length=399, rows=1).load()
    assert "".join(spelt(ten, row) for row in range(40)) == spelt(all_of_it, 0)
    assert spelt(all_of_it, 0).startswith("HAMLET, PRINCE OF DENMARK\n\nby William Shakespeare\n")


def test_each_place_tells_the_next_and_the_last_alone_the_one_behind() -> None:
    each, last = Shakespeare(length=9, rows=40).load(), Shakespeare(length=9, rows=40, predict="last").load()
    np.testing.assert_array_equal(each.y[:, :-1], each.x[:, 1:])
    np.testing.assert_array_equal(each.y[:, -1], last.y)
    np.testing.assert_array_equal(each.x, last.x)
    assert (each.places, last.places) == (9, 0)
    assert each.inputs == last.inputs == Inputs((9,), symbols=len(each.classes))
    assert len(each.classes) == 76
    assert [spelt(last, row) for row in range(40)] == [spelt(each, row) for row in range(40)]


def test_all_rows_are_about_a_million_characters() -> None:
    table = Shakespeare(predict="last").load()
    assert 1_000_000 < table.x.size + table.y.size < 1_100_000
    assert len(table.classes) == len(set(table.classes)) == 1 + table.x.max()


def test_symbols_are_the_same_whatever_the_rows() -> None:
    assert Shakespeare(rows=5).load().classes == Shakespeare(length=3).load().classes


def test_one_hot_says_the_same() -> None:
    plain, marked = Shakespeare(length=5, rows=30).load(), Shakespeare(length=5, rows=30, one_hot=True).load()
    cube = marked.x.reshape(30, 5, len(plain.classes))
    np.testing.assert_array_equal(cube.argmax(-1), plain.x)
    assert (cube.sum(-1) == 1).all()
    np.testing.assert_array_equal(marked.y, plain.y[:, -1])
    assert (marked.places, marked.symbols) == (0, 0)
    with pytest.raises(PluginError, match="one_hot rows have one target, and predict='each' asks for one at each"):
        Shakespeare(one_hot=True, predict="each")


def test_more_rows_than_there_are_is_an_error() -> None:
    with pytest.raises(DataError, match=r"length=99\): 90000 rows were asked for, and the text .* holds 1\d{4}; lower"):
        Shakespeare(length=99, rows=90_000).load()
    with pytest.raises(DataError, match="holds 0; lower rows or length"):
        Shakespeare(length=10**8).load()
    with pytest.raises(PluginError, match="Shakespeare: length"):
        Shakespeare(length=0)
