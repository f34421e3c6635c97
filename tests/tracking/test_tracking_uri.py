from pathlib import Path

import pytest

from tunelab import Experiment
from tunelab.errors import StoreError
from tunelab.models import Quadratic
from tunelab.tracking.tracking_uri import resolve_tracking_uri, split_credentials, sqlite_file


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


@pytest.mark.parametrize(
    "uri",
    [
        "http://ada:a/s3cr3t@host:5000",
        "http://ada:12/s3cr3t@host:5000",
        "http://ada:a@s3cr3t@host:5000",
        "http://ada:a#s3cr3t@host:5000",
        "http://ada:a?s3cr3t@host:5000",
        "HTTPS://to/s3cr3t@host",
        "http://ada:s3cr3t@host:port",
        "http://ada:s3cr3t@[::1",
        "postgresql+psycopg://ada:a@s3cr3t@host/db",
    ],
)
def test_a_password_that_would_be_taken_for_the_host_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(
        StoreError, match=r"cannot be read as a URL\. In a password, write @ as %40, / as %2F"
    ) as caught:
        resolve_tracking_uri(uri)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("uri", ["ada:s3cr3t@host", "postgresql+psycopg:ada:s3cr3t@host", "http:/ada:s3cr3t@host"])
def test_what_is_no_url_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(StoreError, match="The tracking URI must be sqlite:///<file>") as caught:
        resolve_tracking_uri(uri)
    assert "s3cr3t" not in str(caught.value)


def test_a_scheme_may_be_written_in_capitals() -> None:
    assert resolve_tracking_uri("HTTP://ada:p@Host:1/X") == "http://ada:p@Host:1/X"
    assert split_credentials(resolve_tracking_uri("HTTPS://ada:p@host"))[0] == "https://host"


def test_a_log_does_not_hold_what_mlflow_quotes_of_a_uri(tmp_path: Path) -> None:
    experiment = Experiment(name="bowl", model=Quadratic(), optimizer="sgd", epochs=1, steps_per_epoch=2)
    with pytest.raises(StoreError, match="An MLflow store that opens is required at ftp://host/path: ") as caught:
        experiment.run(trials=1, executor="inline", tracking_uri="ftp://ada:s3%23cr3t@host/path", folder=tmp_path)
    log = (tmp_path / "bowl-1/mlflow.log").read_text()
    assert "got unsupported URI 'ftp://host/path'" in log
    told = str(caught.value) + log + (tmp_path / "bowl-1/mirror.json").read_text()
    assert not {secret for secret in ("s3%23cr3t", "s3#cr3t", "cr3t") if secret in told}


def test_a_database_keeps_its_credentials_and_a_server_reads_them_elsewhere() -> None:
    database = "postgresql://ada:secret@host/db"
    assert split_credentials(database) == (database, {})
    assert split_credentials("https://host") == ("https://host", {})
    bare, variables = split_credentials("https://ada@host/x")
    assert bare == "https://host/x"
    assert variables["MLFLOW_TRACKING_USERNAME"] == "ada"
