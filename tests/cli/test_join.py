"""`tunelab run --join` from outside: two commands, one study in a real database, and its password nowhere."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest
from mlflow import MlflowClient
from postgresql import PASSWORD, Postgresql

from .conftest import HEADER, Tunelab

BOWL = """
from tunelab.models import Quadratic

bowl = Experiment(name="bowl", model=Quadratic(), optimizer=Choice(SGD, Adam), epochs=2, steps_per_epoch=4)
"""
pytestmark = pytest.mark.usefixtures("store")
SPELLINGS = {PASSWORD, quote(PASSWORD)}


@pytest.fixture
def file(write: Callable[..., Path]) -> str:
    return str(write(BOWL, "bowl.py"))


def holding_the_password(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and any(spelling.encode() in path.read_bytes() for spelling in SPELLINGS):
            yield path


def test_two_commands_share_a_study_and_tell_no_password(
    tunelab: Tunelab, file: str, tmp_path: Path, postgresql: Postgresql
) -> None:
    place = ("--storage", postgresql.url, "--trials", "6", "--sampler", "random")
    first = tunelab("run", file, *place, "--seed", "3")
    assert first.returncode == 0, first.stderr
    other = tunelab("run", file, *place, "--join", "bowl-1", "--json")
    assert other.returncode == 0, other.stderr
    told = json.loads(other.stdout.splitlines()[-1])
    assert (told["study"], told["trials"]) == ("bowl-2", 6)
    with postgresql.storage() as storage:
        stored = optuna.load_study(study_name="bowl-1", storage=storage)
        assert [trial.number for trial in stored.trials] == list(range(12))
        assert not any(spelling in str(stored.user_attrs) for spelling in SPELLINGS)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.get_run(told["mlflow_run_id"])
    assert (run.data.params["joined"], run.data.params["seed"]) == ("bowl-1", "3")
    for said in (first, other):
        assert not any(spelling in said.stdout + said.stderr for spelling in SPELLINGS)
    assert list((tmp_path / "studies").rglob("*.jsonl"))
    assert list(holding_the_password(tmp_path)) == []


@pytest.fixture(scope="module")
def studied(tunelab: Tunelab, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study in a database."""
    folder = tmp_path_factory.mktemp("studied")
    shutil.copy(template, folder / "mlflow.db")
    (folder / "bowl.py").write_text(HEADER + BOWL)
    done = tunelab("run", "bowl.py", "--storage", "sqlite:///studies.db", "--trials", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--join", "bowl-9"), "holds no study 'bowl-9' to join"),
        (("--join", "bowl-1", "--backend", "torch"), "searches another experiment than bowl: backend differ"),
        (("--join", "bowl-1", "--widen"), "a study that is joined has its ranges already"),
    ],
)
def test_what_cannot_be_joined_is_bad_input(
    change: tuple[str, ...], says: str, tunelab: Tunelab, studied: Path, tmp_path: Path
) -> None:
    shutil.copytree(studied, tmp_path, dirs_exist_ok=True)
    refused = tunelab("run", "bowl.py", "--storage", "sqlite:///studies.db", "--trials", "2", *change)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert [path.name for path in Path("studies").iterdir()] == ["bowl-1"]


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_wrong_password_is_not_repeated(
    debug: tuple[str, ...], tunelab: Tunelab, file: str, postgresql: Postgresql
) -> None:
    url = postgresql.url.replace(quote(PASSWORD), "wrongsecret")
    refused = tunelab("run", file, "--storage", url, *debug)
    assert refused.returncode == 2
    assert "password authentication failed" in refused.stderr
    assert "wrongsecret" not in refused.stderr + refused.stdout


def test_a_password_need_not_be_in_the_url(tunelab: Tunelab, file: str, postgresql: Postgresql) -> None:
    url = postgresql.url.replace(f":{quote(PASSWORD)}", "")
    done = tunelab("run", file, "--storage", url, "--trials", "2", PGPASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr
