"""The names that MLflow's model registry takes."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tunelab.errors import StoreError
from tunelab.tracking.registered_name import check_registered_name

REFUSED = ["", " ", "../x", "a/b", "a:b", ".", "..", "..x", "a" * 257, "a\nb", "a\0b", "\udcff", "\u202ea"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="register"):
        check_registered_name(name)


@pytest.mark.parametrize("name", ["digits best", "con", "a..", "\u00e4", "a%2fb", "-rf", "a" * 256])
def test_what_is_accepted_mlflow_accepts(name: str, store: str) -> None:
    check_registered_name(name)
    assert MlflowClient(store).create_registered_model(name).name == name


@pytest.mark.parametrize("name", ["../x", "a/b", "."])
def test_what_is_a_path_mlflow_refuses_too(name: str, store: str) -> None:
    with pytest.raises(MlflowException):
        MlflowClient(store).create_registered_model(name)
