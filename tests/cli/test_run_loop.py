"""`tunelab run` on a training loop of a person's own, from outside: what it prints, refuses, and leaves in MLflow."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from .conftest import COMMAND, Tunelab
from .test_run import everything, loaded, plain

pytestmark = pytest.mark.usefixtures("store")

LOOP = """from tunelab import Choice, Experiment, Float, Trial, experiment

@experiment(lr=Float(1e-5, 1e-1, log=True), optimizer=Choice("sgd", "adam"), minimize="val_loss")
def my_loop(trial: Trial):
    print("trial", trial.number, "begins")
    try:
        for epoch in range(4):
            if trial.number % 4 == 3 and epoch == 2:
                raise ValueError("unlucky")
            yield {"train_loss": 1.0, "val_loss": trial.params["lr"] * trial.number + 0.1 / (epoch + 1)} | (
                {"f1@half": 0.5} if epoch % 2 else {}
            )
        trial.checkpoint.save(lr=trial.params["lr"])
    finally:
        with open("finally.txt", "a") as file:
            print(trial.number, file=file)
"""


def test_a_loop_runs_as_an_experiment_does(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOOP)
    done = tunelab("run", "mine.py", "--trials", "12", "--pruner", "median", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["study"], found["trials"]) == ("my_loop-1", 12)
    assert {"lr", "optimizer"} == set(found["best_params"])
    assert found["pruned"] > 0
    assert found["failed"] > 0
    assert sorted(map(int, (tmp_path / "finally.txt").read_text().split())) == list(range(12))
    assert [f"trial {number} begins" in done.stderr for number in range(12)] == [True] * 12
    assert re.search(r"trial 3 of my_loop failed: ValueError: unlucky \(mine.py, line 9\)\n\nTraceback", done.stderr)
    failed = re.escape("ValueError: unlucky (mine.py, line 9)")
    assert re.search(rf"^failed: trial 3( and \d more)?: {failed}$", done.stderr, re.MULTILINE)

    study = tmp_path / "studies" / "my_loop-1"
    assert json.loads((study / "experiment.json").read_text())["function"] == "mine:my_loop"
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    held = loaded("my_loop-1", study).trials
    parent = f"tags.`mlflow.parentRunId` = '{found['mlflow_run_id']}'"
    runs = {
        int(run.data.tags["tunelab.trial"]): run for run in client.search_runs([found["mlflow_experiment_id"]], parent)
    }
    assert set(runs) == set(range(12))
    for trial in held:
        run = runs[trial.number]
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}[trial.state.name]
        assert run.data.metrics.get("objective") == (trial.value if trial.state.name == "COMPLETE" else None)
        assert run.data.params["lr"] == str(trial.params["lr"])
        losses = client.get_metric_history(run.info.run_id, "val_loss")
        assert [point.step for point in losses] == list(range(1, len(losses) + 1))
        if trial.state.name == "COMPLETE":
            assert [point.step for point in client.get_metric_history(run.info.run_id, "f1_half")] == [2, 4]
        if trial.state.name == "FAIL":
            assert run.data.tags["tunelab.reason"] == trial.user_attrs["reason"]
            assert "Traceback" in trial.user_attrs["reason"]


def test_what_is_kept_of_the_best_is_said(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOOP)
    done = tunelab("run", "mine.py", "--trials", "3")
    assert re.search(
        r"^files    studies/my_loop-1 \(the best trial's checkpoint: checkpoints/trial-\d\)$", done.stdout, re.MULTILINE
    ), done.stdout
    (tmp_path / "bare.py").write_text(LOOP.replace('trial.checkpoint.save(lr=trial.params["lr"])', "pass"))
    assert re.search(r"^files    studies/my_loop-2$", tunelab("run", "bare.py", "--trials", "3").stdout, re.MULTILINE)


def test_a_loop_and_an_experiment_in_one_file_are_told_apart_by_name(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOOP + 'bowl = Experiment(name="bowl", model="quadratic", optimizer="sgd")\n')
    done = tunelab("run", "mine.py")
    assert done.returncode == 2
    assert "defines 2 experiments: my_loop, bowl; choose one, as in mine.py:my_loop" in done.stderr
    assert tunelab("run", "mine.py:my_loop", "--trials", "2").returncode == 0


HEAD = "from tunelab import Choice, Float, Trial, experiment\n"
ONE = '@experiment(lr=Float(0.1, 1), minimize="loss")\ndef f(trial):\n'

NO_OBJECTIVE = "@experiment(lr=1)\ndef f(trial):\n    yield {}"

BAD = {
    "no yield": (ONE + '    return {"loss": 1.0}', r"mine.py, line 2: @experiment: f has no yield"),
    "no objective": (NO_OBJECTIVE, r"line 2: @experiment: say which of the metrics"),
    "no framework": (
        "import no_such_framework.nn\n" + ONE + "    yield {}",
        r"line 2: ModuleNotFoundError: No module named 'no_such_framework'; .*: pip install no_such_framework",
    ),
    "a lock": (
        "import threading\nLOCK = threading.Lock()\n" + ONE + "    with LOCK:\n        yield {'loss': 1.0}",
        r"cannot travel to its own process: TypeError.*lock.*--executor inline",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_before_anything_trains(case: str, tunelab: Tunelab, tmp_path: Path) -> None:
    text, says = BAD[case]
    (tmp_path / "mine.py").write_text(HEAD + text)
    done = tunelab("run", "mine.py")
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*{says}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (
            ("--population", "4"),
            "population=4 (--population 4): f is a loop of its own, whose trials run one after another",
        ),
        (
            ("--backend", "torch"),
            "backend='torch' (--backend torch): f is a loop of its own, which says itself what computes",
        ),
    ],
)
def test_options_that_a_loop_does_not_have(
    option: tuple[str, str], says: str, tunelab: Tunelab, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(HEAD + ONE + '    yield {"loss": 1.0}')
    done = tunelab("run", "mine.py", *option)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_loop_that_always_fails_ends_with_one_line_that_names_a_trial(tunelab: Tunelab, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + ONE + '    yield {"lss": 1.0}')
    done = tunelab("run", "mine.py")
    assert done.returncode == 1
    says = "all failed the same way, as trial 0 did: report 1 has no 'loss', the objective"
    assert re.fullmatch(rf"error: the first \d+ trials {says}.*did you mean 'lss'.*", done.stderr.splitlines()[-1])


def test_what_a_loop_prints_stands_above_the_table(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOOP.replace("for epoch", "import time; time.sleep(0.3)\n        for epoch"))
    own, terminal = pty.openpty()
    environment |= {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [COMMAND, "run", "mine.py", "--trials", "3"], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    seen = everything(own)
    assert process.wait() == 0, seen
    for number in range(3):
        before, _, _ = seen.partition(f"trial {number} begins\r\n")
        assert before.endswith("\x1b[2K") or "my_loop" not in before, "the table, if it is there, is erased first"
    assert re.search(r"my_loop-1 [━╸╺]+ \d/3 00:0\d", plain(seen))


def test_the_table_is_there_while_the_first_report_is_far_and_two_ctrl_c_run_the_finally(
    environment: dict[str, str], tmp_path: Path
) -> None:
    slow = (
        ONE + "    try:\n        print('here', flush=True)\n        time.sleep(300)\n        yield {'loss': 1.0}\n"
        "    finally:\n        open('finally.txt', 'w').close()\n"
    )
    (tmp_path / "mine.py").write_text("import time\n" + HEAD + slow)
    process = subprocess.Popen(
        [COMMAND, "run", "mine.py"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    seen = [next(line for line in lines if line == "here\n")]
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None, "the first waits for the report"
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, (seen, rest)
    assert (tmp_path / "finally.txt").exists()
    assert "marked as interrupted: 2" in rest
    assert "Traceback" not in rest


def test_a_loop_in_a_script_runs_with_its_function_in_main(environment: dict[str, str], tmp_path: Path) -> None:
    script = LOOP + (
        "if __name__ == '__main__':\n"
        "    from tunelab.tracking import MemoryTracker\n"
        "    study = my_loop.run(trials=3, tracker=MemoryTracker())\n"
        "    print(study.name, study.best_checkpoint().load() == {'lr': study.best.trial.params['lr']})\n"
    )
    (tmp_path / "script.py").write_text(script)
    python = COMMAND.with_name("python")
    done = subprocess.run(
        [python, "script.py"], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    assert done.stdout == "my_loop-1 True\n"
    assert json.loads((tmp_path / "studies/my_loop-1/experiment.json").read_text())["function"] == "__main__:my_loop"
