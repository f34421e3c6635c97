import pytest

from tunelab.data import Digits, sklearn_table
from tunelab.data.sklearn_table import sklearn_numbers
from tunelab.errors import DataError


def test_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sklearn_table, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"not installed; pip install scikit-learn"):
        Digits().load()


def test_a_file_that_scikit_learn_lacks_is_named():
    with pytest.raises(DataError, match=r"no .*atlantis\.csv.*pip install 'scikit-learn>="):
        sklearn_numbers("atlantis.csv")
