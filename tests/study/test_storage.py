"""Where Optuna keeps a study."""

import sys
from pathlib import Path

import optuna
import pytest

from tunelab.errors import StoreError
from tunelab.study.storage import open_storage

from .rig import bowl, held, search


def test_a_study_lies_in_a_journal_in_its_folder(tmp_path: Path) -> None:
    study = search(bowl(), tmp_path)
    assert (study.folder / "optuna.journal").is_file()
    assert [trial.number for trial in held(study.folder, study.name)] == list(range(12))


def test_a_study_lies_in_any_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    study = search(bowl(), tmp_path, storage=url, trials=5)
    other = search(bowl(), tmp_path, storage=url, trials=3)
    assert not (study.folder / "optuna.journal").exists()
    loaded = optuna.load_study(study_name=study.name, storage=url)
    assert [trial.value for trial in loaded.trials] == [result.value for result in study.trials]
    assert loaded.user_attrs["tunelab.experiment_hash"] == study.experiment.hash
    assert optuna.get_all_study_names(url) == [study.name, other.name] == ["bowl-1", "bowl-2"]


def test_the_storage_changes_nothing_of_the_search(tmp_path: Path) -> None:
    one = search(bowl(), tmp_path / "a", trials=8, pruner="median")
    other = search(bowl(), tmp_path / "b", trials=8, pruner="median", storage=f"sqlite:///{tmp_path}/studies.db")
    assert [result.trial for result in one.trials] == [result.trial for result in other.trials]
    assert [result.value for result in one.trials] == [result.value for result in other.trials]


def test_a_name_that_the_storage_has_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    search(bowl(), tmp_path / "a", storage=url, trials=1)
    with pytest.raises(StoreError, match="has a study named 'bowl-1' already, made from another folder; give another"):
        search(bowl(), tmp_path / "b", storage=url, trials=1)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "",
        "sqlite:////no/such/folder/x.db",
        "nodatabase://ann:secret@host/studies",
        "postgresql://ann:secret@localhost:1/studies",
        "postgresql://ann:se@secret@localhost:1/studies",
        "mysql+pymysql://host/studies?user=ann&password=secret",
        "redis://:secret@localhost:1/0",
        "POSTGRESQL+psycopg://ann:secret@localhost:1/studies",
        "postgresql+psycopg://ann:a/secret@localhost:1/studies",
        "postgresql+psycopg://ann:a#secret@localhost:1/studies",
        "postgresql+psycopg://ann:a?secret@localhost:1/studies",
        "postgresql+psycopg://ann:a%secret@localhost:1/studies",
        "postgresql+psycopg://localhost:1/studies?user=ann&PassWord=secret",
        "postgresql+psycopg://localhost:1/studies?user=ann&sslpassword=secret",
        "postgresql+psycopg://localhost:1/studies?user=ann&access_token=secret",
        "postgresql+psycopg:/ann:secret@localhost/studies",
        "ann:secret@localhost/studies",
    ],
)
def test_a_storage_that_cannot_be_opened_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(
        StoreError, match=r"cannot be opened: .*; give an Optuna URL such as sqlite:///studies.db"
    ) as caught:
        search(bowl(), tmp_path, storage=url, trials=1)
    assert "secret" not in str(caught.value)
    assert "secret" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StoreError, match=r"cannot be opened: .*; pip install 'tunelab\[postgresql\]'; give an Optuna URL"
    ):
        search(bowl(), tmp_path, storage="postgresql+psycopg://ann@localhost:1/studies", trials=1)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match=r"cannot be opened: .*not a database"):
        open_storage(f"sqlite:///{tmp_path}/notes.db", tmp_path)


def test_a_secret_of_the_storage_is_written_down_nowhere(tmp_path: Path, store: str) -> None:
    url = f"sqlite:///file:{tmp_path}/studies.db?uri=true&token=s3cr3t"  # SQLite passes over what it does not know
    study = bowl().run(trials=2, executor="inline", storage=url, tracking_uri=store, folder=tmp_path / "studies")
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path}/studies.db") == [study.name]
    assert "?***" in (study.folder / "study.json").read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"mlflow.db", "studies.db", "study.json", "mirror.json"} <= {path.name for path in files}
    assert [path for path in files if b"s3cr3t" in path.read_bytes()] == []
