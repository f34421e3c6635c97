"""`tunelab reproduce`, from outside: what it prints, its exit codes, and where it takes an experiment from."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from .conftest import Tunelab

FILE = """import numpy as np
from tunelab import Experiment, Float, experiment
from tunelab.models import MLP

x = np.random.default_rng(0).normal(size=(60, 2))
rows = Experiment(name="rows", data=(x, x[:, 0]), model=MLP(width=4, depth=1), optimizer="adam", epochs=3)

@experiment(lr=Float(0.01, 1.0), minimize="loss")
def loop(trial):
    print("trial", trial.number, "begins")
    for epoch in range(3):
        yield {"loss": trial.params["lr"] + trial.seed % 7 + epoch}
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where the studies are, whose paths MLflow holds, and where a copy of them is."""
    folder = tmp_path_factory.mktemp("reproduce")
    return folder / "here", folder / "copy"


@pytest.fixture(scope="module")
def runs(places: tuple[Path, Path], template: Path, tunelab: Tunelab) -> dict[str, str]:
    """The run of the second trial of a small study of each experiment of the file."""
    here, copy = places
    here.mkdir()
    (here / "mine.py").write_text(FILE)
    shutil.copy(template, here / "mlflow.db")
    found = {name: studied(tunelab, here, name) for name in ("rows", "loop")}
    shutil.copytree(here, copy)
    return found


def studied(tunelab: Tunelab, here: Path, name: str) -> str:
    done = tunelab("run", f"mine.py:{name}", "--trials", "3", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    query = f"tags.`mlflow.parentRunId` = '{found['mlflow_run_id']}' and tags.`tunelab.trial` = '1'"
    (run,) = MlflowClient(f"sqlite:///{here}/mlflow.db").search_runs([found["mlflow_experiment_id"]], query)
    return str(run.info.run_id)


@pytest.fixture
def folder(places: tuple[Path, Path], runs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the studies, where a test begins, as they were left."""
    here, copy = places
    shutil.rmtree(here)
    shutil.copytree(copy, here)
    monkeypatch.chdir(here)
    return here


def write(statement: str, rows: int = 1) -> None:
    connection = sqlite3.connect("mlflow.db")
    assert connection.execute(statement).rowcount == rows
    connection.commit()
    connection.close()


def test_a_trial_is_equal_or_it_is_said_what_differs_and_why(
    tunelab: Tunelab, folder: Path, runs: dict[str, str]
) -> None:
    file, run = folder / "mine.py", runs["rows"]
    done = tunelab("reproduce", run, "--file", "mine.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("trial 1 of rows-1 (complete): equal, bit for bit; ")
    table = {cells[0]: cells[1:] for line in done.stdout.splitlines() if (cells := line.split())}
    assert table["val_loss"][0] == "3"
    assert table["val_loss"][1] == table["val_loss"][2] != "-"
    assert table["val_loss"][3] == "none"
    assert done.stderr == "training trial 1 of rows-1 again, alone: 3 epochs in MLflow\n"

    write(f"update metrics set value = 0.75 where run_uuid = '{run}' and key = 'val_loss' and step = 2")
    write("update tags set value = '1.0' where key = 'tunelab.version.numpy'", rows=2)  # both studies'
    file.write_text(FILE + "# another text\n")
    done = tunelab("reproduce", run, "--file", "mine.py")
    assert done.returncode == 3, done.stderr
    assert "different from what MLflow holds" in done.stdout
    assert "val_loss: first at epoch 2: expected 0.75, found " in done.stdout
    assert "; 1 of 3 epochs in all" in done.stdout
    assert "may be why: numpy: 1.0 then, " in done.stdout
    assert f"may be why: file {file}: as its copy in MLflow then, another text now" in done.stdout

    file.rename(folder / "elsewhere.py")
    done = tunelab("reproduce", run)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: trial 1 of rows-1 cannot be rebuilt from MLflow alone: " in done.stderr
    assert f"tunelab reproduce {run} --file FILE[:NAME]" in done.stderr
    assert "(a copy is in MLflow, with the run " in done.stderr

    done = tunelab("reproduce", run, "--file", "elsewhere.py:rows", "--json")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert (found["equal"], found["trial"], found["state"], found["tolerance"]) == (False, 1, "complete", 0.0)
    assert found["metrics"]["lr"] == {"epochs": 3, "differing": 0, "largest": 0.0, "first": None}
    assert found["metrics"]["val_loss"]["first"]["recorded"] == 0.75
    assert [change["what"] for change in found["changes"]] == ["numpy"]


def test_a_loop_is_taken_from_its_file_and_what_it_prints_is_no_result(
    tunelab: Tunelab, folder: Path, runs: dict[str, str]
) -> None:
    run = runs["loop"]
    done = tunelab("reproduce", run, "--json", "--file", "mine.py")
    assert done.returncode == 0, done.stderr
    assert "trial 1 begins" in done.stderr
    found = json.loads(done.stdout)
    assert (found["equal"], found["exact"], found["changes"]) == (True, True, [])
    (folder / "mine.py").write_text(FILE.replace("% 7 + epoch", "% 7 - epoch"))
    done = tunelab("reproduce", run, "--file", "mine.py")
    assert done.returncode == 3
    assert "by more than 0.0001 relatively" in done.stdout
    assert "may be why: experiment's source: " in done.stdout


def test_the_file_that_the_record_names_is_not_run_unless_the_person_gives_it(
    tunelab: Tunelab, folder: Path, runs: dict[str, str]
) -> None:
    file = folder / "mine.py"
    file.write_text(f"open('was-run', 'w').close()\n{FILE}")
    for run in runs.values():
        done = tunelab("reproduce", run)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"if you trust it (the record names {file}): tunelab reproduce {run} --file FILE" in done.stderr
        assert not (folder / "was-run").exists()
    assert done.stderr == (
        "error: trial 1 of loop-1 cannot be rebuilt from MLflow alone: of a loop it holds no more than the name, "
        f"'mine:loop'. Give the file that defines it, if you trust it (the record names {file}): "
        f"tunelab reproduce {runs['loop']} --file FILE[:NAME] (from Python: experiment=...)\n"
    )
    assert tunelab("reproduce", runs["rows"], "--file", "mine.py").returncode == 0
    assert (folder / "was-run").exists()


def test_a_store_that_is_not_there_is_bad_input(tunelab: Tunelab, tmp_path: Path) -> None:
    done = tunelab("reproduce", "0" * 32)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: there is no MLflow store {tmp_path / 'mlflow.db'}; go to the folder of the study, or name the store: "
        "--tracking-uri URI\n"
    )
