"""`tunelab run` from outside: what it prints, its exit codes, and what it leaves behind."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from .conftest import COMMAND, HEADER, Tunelab

MINE = """
class Leaky(SGD):
    \"\"\"A rule that only this file knows.\"\"\"

    def update(self, xp, theta, grad, slots, k, scratch):
        super().update(xp, theta, grad, slots, k, scratch)

print("said on import")
other = Experiment(name="other", data="wine", model=MLP(width=4, depth=1), optimizer="sgd", epochs=1)
mine = Experiment(
    name="mine",
    data="wine",
    model=MLP(width=4, depth=1),
    optimizer=Choice(Leaky, Adam),
    batch_size=Choice(16, 32),
    epochs=2,
    maximize="val_accuracy",
)
"""

LOW = """
x = Experiment(
    name="x",
    data="wine",
    model=MLP(width=4, depth=1),
    optimizer=Adam.search(lr=Float(1e-6, 1e-5, log=True)),
    epochs=2,
)
"""

KEYS = ["study", "trials", "complete", "pruned", "failed", "best_value", "best_params", "wall_s", "first_trial_s",
        "trials_per_s", "mlflow_experiment_id", "mlflow_run_id", "registered_model"]  # fmt: skip


def test_json_is_the_last_line_and_agrees_with_optuna_and_mlflow(
    tunelab: Tunelab, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(MINE)
    began = time.monotonic()
    done = tunelab("run", "mine.py:mine", "--trials", "20", "--seed", "1", "--folder", "here", "--json")
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert re.match(r"mine-1: 20 trials to go\n(?s:.)*mine-1: 20/20 trials, ", done.stderr)

    outcome = json.loads(done.stdout.splitlines()[-1])
    assert list(outcome) == KEYS
    assert (outcome["study"], outcome["trials"], outcome["complete"]) == ("mine-1", 20, 20)
    assert (outcome["pruned"], outcome["failed"]) == (0, 0)
    assert 0 < outcome["first_trial_s"] <= outcome["wall_s"] <= seconds
    assert outcome["trials_per_s"] == pytest.approx(20 / outcome["wall_s"], rel=0.01)

    study = loaded("mine-1", tmp_path / "here" / "mine-1")
    assert outcome["best_value"] == study.best_value
    assert outcome["best_params"]["optimizer"] == study.best_params["optimizer"]
    runs = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs([outcome["mlflow_experiment_id"]])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 21
    assert outcome["mlflow_run_id"] in {run.info.run_id for run in runs}


def test_people_read_the_best_trial_and_where_to_look(tunelab: Tunelab, write: Callable[..., Path]) -> None:
    write(MINE)
    store = ["--tracking-uri", "sqlite:///other.db", "--register", "mine"]
    done = tunelab("run", "mine.py:mine", "--trials", "3", "--sampler", "random", "--executor", "inline", *store)
    assert done.returncode == 0, done.stderr
    assert re.search(r"mine-1: 3 trials in \d+\.\d s, \d+\.\d a second; 3 complete", done.stdout)
    assert re.search(
        r"best val_accuracy [01]\S*, trial \d\n  optimizer  +(leaky|adam)\n  optimizer\.lr  +\S+\n", done.stdout
    )
    files = "files    studies/mine-1 (the best trial's trained model: best.safetensors)\n"
    assert f"{files}model    models:/mine/1\n" in done.stdout
    assert "tunelab ui --tracking-uri sqlite:///other.db" in done.stdout


LOW_RUN = ("run", "mine.py", "--trials", "8", "--executor", "inline")


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory, tunelab: Tunelab, template: Path) -> tuple[Path, str]:
    """A folder with a study of the file, and what a person read."""
    folder = tmp_path_factory.mktemp("low")
    (folder / "mine.py").write_text(HEADER + LOW)
    shutil.copy(template, folder / "mlflow.db")
    done = tunelab(*LOW_RUN, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_people_read_what_was_held_and_where_a_bound_was_met_and_widen_does_it(
    tunelab: Tunelab, low: tuple[Path, str], tmp_path: Path
) -> None:
    folder, said = low
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert re.search(
        r"  optimizer.lr  \S+\nwarning: optimizer.lr = \S+ is at the upper end of Float\(1e-06, 1e-05, log=True\); "
        r"widen it upwards, to Float\(1e-06, 0.0001, log=True\), or let --widen do it\n"
        r"held at defaults: optimizer.beta1, optimizer.beta2, optimizer.eps "
        r"\(to search them: --search all, or --trials 100\)\n\nfiles ",
        said,
    ), said
    done = tunelab(*LOW_RUN, "--widen", "--search", "all", "--json")
    assert done.returncode == 0, done.stderr
    line = "widened after x-1: optimizer.lr in Float(1e-06, 0.0001, log=True), was Float(1e-06, 1e-05, log=True)\n"
    assert done.stderr.startswith(line)
    assert "held" not in done.stderr
    assert "warning: optimizer.lr" in done.stderr
    assert list(json.loads(done.stdout)) == KEYS
    searched = loaded("x-2", Path("studies/x-2").absolute()).trials[0].params
    assert len(searched) == 4


def test_people_read_what_an_extension_carries_over(
    tunelab: Tunelab, low: tuple[Path, str], write: Callable[..., Path], tmp_path: Path
) -> None:
    folder, _ = low
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    write(LOW.replace("1e-5", "1e-4"))
    done = tunelab(*LOW_RUN, "--extend", "x-1")
    assert done.returncode == 0, done.stderr
    assert "note: extends x-1: 8 of its 8 trials that ended well are carried over\n" in done.stdout
    assert "note: optimizer.lr: Float(1e-06, 1e-05, log=True) then, Float(1e-06, 0.0001, log=True) now\n" in done.stdout
    assert [trial.number for trial in loaded("x-2", Path("studies/x-2").absolute()).trials] == list(range(16))
    done = tunelab(*LOW_RUN, "--extend", "x-9")
    assert done.returncode == 2
    assert "x-9 is no study's folder" in done.stderr


def test_all_trials_diverge(tunelab: Tunelab, write: Callable[..., Path]) -> None:
    write('x = Experiment(name="x", data="wine", model=MLP(), optimizer=SGD(lr=1e30), epochs=2)')
    done = tunelab("run", "mine.py", "--trials", "4", "--json")
    assert done.returncode == 1
    outcome = json.loads(done.stdout)
    assert list(outcome) == KEYS
    assert [outcome[name] for name in ("study", "trials", "complete", "failed")] == ["x-1", 4, 0, 4]
    assert (outcome["best_value"], outcome["best_params"], outcome["first_trial_s"]) == (None, None, None)
    assert outcome["mlflow_run_id"]
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert re.search(r"^error: no trial of x-1 completed \(4 diverged\)", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(("more", "why"), [
    ([], "the first 20 trials all failed the same way"),
    (["--max-failures", "3"], "3 trials failed in a row"),
])  # fmt: skip
def test_json_tells_of_a_study_that_gave_up(
    more: list[str], why: str, tunelab: Tunelab, write: Callable[..., Path]
) -> None:
    write("""
from tunelab import experiment

@experiment(lr=Float(0, 1), minimize="loss")
def wrong(trial):
    raise ValueError("no way")
    yield {}
""")
    done = tunelab("run", "mine.py", "--trials", "100", "--executor", "inline", "--json", *more)
    assert done.returncode == 1
    assert why in done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["complete"], outcome["best_value"]) == (0, None)
    assert outcome["trials"] == outcome["failed"] >= 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("store")
def test_a_signal_keeps_what_is_finished_and_marks_the_rest(
    number: signal.Signals, environment: dict[str, str], write: Callable[..., Path], tmp_path: Path
) -> None:
    write(MINE.replace("epochs=2", "epochs=20"))
    process = subprocess.Popen(
        [COMMAND, "run", "mine.py:mine", "--trials", "100000", "--sampler", "random", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whatever the tests' own parent ignores
    )
    assert process.stderr is not None
    assert "100000 trials to go" in process.stderr.readline()
    time.sleep(2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert out == "said on import\n"
    assert "Traceback" not in err
    finished = re.search(r"mine-1: stopped after .*: (\d+) complete.*; marked as interrupted: (\d+)\n", err)
    assert finished, err

    trials = loaded("mine-1", tmp_path / "studies" / "mine-1").trials
    states = [trial.state for trial in trials]
    assert states.count(TrialState.COMPLETE) == int(finished[1]) > 0
    assert states.count(TrialState.FAIL) == int(finished[2]) > 0
    assert set(states) <= {TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING}
    assert {trial.user_attrs["state"] for trial in trials if trial.state is TrialState.FAIL} == {"interrupted"}
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert "RUNNING" not in {run.info.status for run in client.search_runs(["1"], max_results=5000)}


@pytest.mark.usefixtures("store")
def test_the_live_table_in_a_terminal(environment: dict[str, str], write: Callable[..., Path]) -> None:
    """Every row and column of the table comes by, at 80 columns, and nothing is cut."""
    write(MINE.replace("epochs=2", "epochs=60"))
    own, terminal = pty.openpty()
    environment |= {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    command = [COMMAND, "run", "mine.py:mine", "--trials", "40"]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    seen = plain(everything(own))
    assert process.wait() == 0, seen
    assert re.search(r"mine-1 [━╸╺]+ \d+/40 00:0\d", seen)
    assert re.search(r"complete +pruned +diverged +failed +running +waiting +trials/s +members\r\n", seen)
    assert re.search(r"best val_accuracy [01]\S* +trial \d+", seen)
    assert "…" not in seen
    assert re.search(r"mine-1: 40 trials in .*40 complete\r\n", seen)


def everything(terminal: int) -> str:
    """Return what is written to a terminal until its other end is closed."""
    parts = []
    while select.select([terminal], [], [], 60)[0]:
        try:
            parts.append(os.read(terminal, 65536))
        except OSError:  # Linux says so, where others return nothing
            break
    os.close(terminal)
    return b"".join(parts).decode()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def loaded(name: str, folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    return optuna.load_study(study_name=name, storage=storage)
