"""Each data set keeps the laws of a data set."""

import pytest

from tunelab.contracts import Dataset
from tunelab.testing import DatasetConformance
from tunelab_data import Abalone, MNIST5k, Shakespeare

SETS = [
    MNIST5k(),
    Abalone(),
    Shakespeare(rows=500),
    Shakespeare(rows=2_000, predict="last"),
    Shakespeare(length=4, rows=500, one_hot=True),
]


@pytest.mark.parametrize("one", SETS, ids=repr)
class TestLaws(DatasetConformance):
    @pytest.fixture
    def dataset(self, one: Dataset) -> Dataset:
        return one
