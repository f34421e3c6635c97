"""A study stays in the MLflow that shows it, wherever the next command is run."""

from pathlib import Path

import pytest

from tunelab.errors import StoreError
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.study_uri import study_uri


def shown_in(folder: Path, uri: str) -> Path:
    MirrorState(tracking_uri=uri).save(folder)
    return folder


def test_a_new_study_is_shown_where_it_is_asked_for_or_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study_uri(tmp_path, "http://host:5000") == "http://host:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert study_uri(tmp_path, None) == f"sqlite:///{Path.cwd()}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert study_uri(tmp_path, None) == "http://other"


def test_a_study_that_is_shown_stays_there_unless_another_place_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shown_in(tmp_path, "http://host:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert study_uri(home, None) == "http://host:5000"
    assert study_uri(home, "sqlite:////elsewhere.db") == "sqlite:////elsewhere.db"


def test_user_and_password_come_from_the_variable_if_it_names_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shown_in(tmp_path, "http://host:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@host:5000")
    assert study_uri(home, None) == "http://ann:secret@host:5000"


def test_secrets_that_are_not_kept_must_be_given_again(tmp_path: Path) -> None:
    home = shown_in(tmp_path, "https://host/mlflow?token=***")
    with pytest.raises(StoreError, match=r"whose secrets are not kept; give it again: --tracking-uri URI"):
        study_uri(home, None)
