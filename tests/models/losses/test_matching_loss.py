import pytest

from tunelab.errors import DataError
from tunelab.models.losses import CrossEntropy, MeanSquaredError, loss_for


def test_auto_takes_what_fits() -> None:
    assert loss_for("auto", "classes") == CrossEntropy()
    assert loss_for("auto", "values") == MeanSquaredError()


def test_a_name_takes_that_loss() -> None:
    assert loss_for("cross_entropy", "classes") == CrossEntropy()
    assert loss_for("mean_squared_error", "values") == MeanSquaredError()


def test_a_loss_that_does_not_fit_says_which_does() -> None:
    with pytest.raises(DataError, match=r"'mean_squared_error' needs values .* has classes; use loss='cross_entropy'"):
        loss_for("mean_squared_error", "classes")
    with pytest.raises(DataError, match=r"'cross_entropy' needs classes .* has values; use loss='mean_squared_error'"):
        loss_for("cross_entropy", "values")


def test_no_data_is_told_what_to_give() -> None:
    with pytest.raises(DataError, match="give data="):
        loss_for("auto", "none")
