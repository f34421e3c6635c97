"""Whatever is wrong: one short message on standard error, exit code 2 before anything trains, never a traceback."""

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Tunelab

FILES = {
    "empty.csv": "",
    "ragged.csv": "a,b,y\n1,2,0\n1,2\n",
    "nan.csv": "a,b,y\n1,2,0\n1,nan,1\n3,4,1\n",
}

EXPERIMENTS = {
    "misspelt plugin": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer="adm")',
        r"line 5: no optimizer named 'adm'; did you mean 'adam'",
    ),
    "range beyond the field's bound": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer=SGD.search(lr=Float(-1.0, 1.0)))',
        r"line 5: SGD: lr=Float\(-1.0, 1.0\): .*greater than 0",
    ),
    "low above high": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer=SGD.search(lr=Float(1.0, 0.1)))',
        r"line 5: Float\(1.0, 0.1\): low must not be above high",
    ),
    "log of 0": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer=SGD.search(lr=Float(0.0, 0.1, log=True)))',
        r"line 5: Float\(0.0, 0.1, log=True\): log=True needs low > 0",
    ),
    "empty choice": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer="sgd", batch_size=Choice())',
        r"line 5: Choice\(\): needs at least one option",
    ),
    "missing data": (
        'x = Experiment(name="x", data="rag.csv", model="mlp", optimizer="sgd")',
        r"rag.csv: no such file .*did you mean 'ragged.csv'",
    ),
    "empty data": (
        'x = Experiment(name="x", data="empty.csv", model="mlp", optimizer="sgd")',
        r"empty.csv: the file is empty",
    ),
    "ragged data": (
        'x = Experiment(name="x", data="ragged.csv", model="mlp", optimizer="sgd")',
        r"ragged.csv: line 3 .* 3 fields",
    ),
    "NaN in data": (
        'x = Experiment(name="x", data="nan.csv", model="mlp", optimizer="sgd")',
        r"nan.csv: column 'b' is nan in row 1",
    ),
    "labels that do not fit the loss": (
        'x = Experiment(name="x", data="diabetes", model="mlp", optimizer="sgd", loss="cross_entropy")',
        r"cross_entropy.* needs classes",
    ),
    "batch larger than the data": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer="sgd", batch_size=4096)',
        r"a batch of 4096 rows is larger than the training part of \d+",
    ),
    "unknown objective": (
        'x = Experiment(name="x", data="wine", model="mlp", optimizer="sgd", maximize="val_acuracy")',
        r"'val_acuracy' is not measured; did you mean 'val_accuracy'",
    ),
    "no experiment": ("answer = 42", r"mine.py defines no experiment"),
    "two experiments": (
        'a = Experiment(name="a", data="wine", model="mlp", optimizer="sgd")\n'
        'b = Experiment(name="b", data="wine", model="mlp", optimizer="sgd")',
        r"mine.py defines 2 experiments: a, b; choose one, as in .*mine.py:a",
    ),
    "a module that raises": ("x = 1\ny = undefined", r"mine.py, line 6: NameError: name 'undefined' is not defined"),
    "a module with a syntax error": ("x = = 1", r"mine.py, line 5: SyntaxError"),
    "a module that exits": ("raise SystemExit('no')", r"mine.py, line 5: SystemExit: no"),
}


@pytest.mark.parametrize("case", EXPERIMENTS)
def test_experiment(case: str, tunelab: Tunelab, write: Callable[..., Path], tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    lines, message = EXPERIMENTS[case]
    write(lines)
    refused(tunelab("run", "mine.py", "--trials", "4"), message, tmp_path)


WINE = 'x = Experiment(name="x", data="wine", model=MLP(width=4, depth=1), optimizer=SGD(lr=0.1), epochs=1)'

ARGUMENTS = {
    "no such file": (["mien.py"], r"no file mien.py; did you mean mine.py\?"),
    "a file of a folder below": (["deep.py"], r"no file deep.py; did you mean below/deep.py\?"),
    "no such folder": (["nowhere/mine.py"], r"no folder nowhere either"),
    "a folder": (["."], r"is a folder; a Python file is needed; in \. are mine.py"),
    "not a Python file": (["notes.txt"], r"a Python file \(\.py\), not in notes.txt"),
    "a module in use": (["typing.py"], r"name of a module that is in use, typing; rename"),
    "unknown name": (["mine.py:y"], r"no experiment 'y'; .*Known: x"),
    "a name of something else": (["mine.py:SGD"], r"SGD in mine.py is not an experiment; .*Known: x"),
    "no trials": (["mine.py", "--trials", "0"], r"trials \(--trials\) must be .*above 0, was 0"),
    "no time": (["mine.py", "--timeout", "-1"], r"timeout \(--timeout\) must be .*above 0, was -1"),
    "no population": (["mine.py", "--population", "0"], r"population \(--population\) must be .*above 0, was 0"),
    "unknown sampler": (["mine.py", "--sampler", "tp"], r"no sampler named 'tp'; did you mean 'tpe'"),
    "unknown pruner": (["mine.py", "--pruner", "asa"], r"no pruner named 'asa'; did you mean 'asha'"),
    "unknown backend": (["mine.py", "--backend", "nunpy"], r"backend: .*'numpy'.*was 'nunpy'"),
    "a name that no registry takes": (["mine.py", "--register", "a/b"], r"no '/' or ':' in a model's name; say 'a-b'"),
    "nothing to widen": (["mine.py", "--widen"], r"nothing to widen: no study of x with a complete trial is in "),
    "unknown storage": (
        ["mine.py", "--storage", "nosql://ann:pass@x"],
        r"storage nosql://\*\*\*@x cannot be opened",
    ),
    "a folder that cannot be": (["mine.py", "--folder", "notes.txt"], r"no study folder can be made in .*notes.txt"),
    "a tracking URI that is none": (["mine.py", "--tracking-uri", "somewhere"], r"tracking URI must be .*'somewhere'"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_argument(case: str, tunelab: Tunelab, write: Callable[..., Path], tmp_path: Path) -> None:
    write(WINE)
    (tmp_path / "notes.txt").write_text("not a folder")
    (tmp_path / "typing.txt").write_text("")
    if "typing.py" in ARGUMENTS[case][0]:
        write(WINE, "typing.py")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.py").touch()
    arguments, message = ARGUMENTS[case]
    refused(tunelab("run", *arguments), message, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(tunelab: Tunelab, write: Callable[..., Path], tmp_path: Path) -> None:
    write(WINE)
    tmp_path.chmod(0o500)
    try:
        refused(tunelab("run", "mine.py"), r"no study folder can be made in", tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_tracking_uri_that_answers_nothing(tunelab: Tunelab, write: Callable[..., Path], tmp_path: Path) -> None:
    write(WINE)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers, and nobody else takes the port
        uri = f"http://ann:secret@127.0.0.1:{closed.getsockname()[1]}"
        began = time.monotonic()
        done = tunelab("run", "mine.py", "--tracking-uri", uri)
    assert time.monotonic() - began < 15
    assert "secret" not in done.stderr
    refused(done, r"An MLflow server that answers is required", tmp_path)


def test_no_study_for_the_page(tunelab: Tunelab, tmp_path: Path) -> None:
    refused(tunelab("ui", "--no-open"), r"no study in .*studies is in MLflow; make one with: tunelab run F", tmp_path)


def test_debug_shows_the_traceback(tunelab: Tunelab, write: Callable[..., Path]) -> None:
    write("x = undefined")
    done = tunelab("run", "mine.py", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "NameError" in done.stderr


def refused(done: object, message: str, folder: Path) -> None:
    """Bad input: code 2, one line that says so, and no trial."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert re.fullmatch(rf"error: .*{message}.*\n", done.stderr), done.stderr
    assert not list(folder.glob("studies/*/spool.jsonl"))
