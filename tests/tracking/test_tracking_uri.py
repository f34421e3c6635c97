from pathlib import Path

import pytest

from tunelab.errors import StoreError
from tunelab.tracking.tracking_uri import redacted, resolve_tracking_uri, split_credentials, sqlite_file


def test_the_default_is_what_a_plain_mlflow_opens_here(tmp_path: Path) -> None:
    import mlflow

    assert resolve_tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(None)
    assert mlflow.get_tracking_uri() == resolve_tracking_uri()


def test_the_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here")
    assert resolve_tracking_uri() == "http://here"
    assert resolve_tracking_uri("http://there") == "http://there"


def test_a_relative_file_is_made_absolute(tmp_path: Path) -> None:
    assert resolve_tracking_uri("sqlite:///runs.db?timeout=5") == f"sqlite:///{tmp_path}/runs.db?timeout=5"
    assert sqlite_file(f"sqlite:///{tmp_path}/runs.db?timeout=5") == tmp_path / "runs.db"


@pytest.mark.parametrize("uri", ["./mlruns", "file:mlruns", "sqlite:///:memory:", "sqlite://"])
def test_a_place_that_cannot_hold_runs_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///"):
        resolve_tracking_uri(uri)


@pytest.mark.parametrize("uri", ["http://ada:p%40ss@host:5000/x", "postgresql://ada:p@ss@host/db"])
def test_a_redacted_uri_holds_no_secret(uri: str) -> None:
    assert "ada" not in redacted(uri)
    assert "ss" not in redacted(uri).removeprefix("postgresql")
    assert "host" in redacted(uri)


def test_a_database_keeps_its_credentials_and_a_server_reads_them_elsewhere() -> None:
    database = "postgresql://ada:secret@host/db"
    assert split_credentials(database) == (database, {})
    assert split_credentials("https://host") == ("https://host", {})
    bare, variables = split_credentials("https://ada@host/x")
    assert bare == "https://host/x"
    assert variables["MLFLOW_TRACKING_USERNAME"] == "ada"
