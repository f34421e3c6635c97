"""What is compared: each side's study in fresh processes and a fresh folder."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from benchmarks.subprocesses import ROOT, Ran, python, together

SCRATCH = TemporaryDirectory(prefix="tunelab-bench-")
"""Where everything runs, removed at the end."""

TUNELAB = "from tunelab.cli import main; main()"
"""The console script `tunelab`, for this very interpreter."""

MAKE_STORE = {
    True: "from tunelab.tracking.mlflow_store import open_store as make",
    False: "from mlflow import MlflowClient; make = lambda uri: MlflowClient(uri).get_experiment('0')",
}
"""How each side makes a SQLite store: as tunelab does, or as MLflow does by itself."""


@dataclass(frozen=True)
class Measured:
    """One study by one side.

    Attributes:
        trials: that ended.
        wall_s: from the start of the process to its end: imports, training and logging.
        cpu_s: user and system, of all its processes.
        loop_s: without start-up and imports.
        first_trial_s: from the start of the process to the end of the first trial.
        best_value: validation accuracy.
        peak_mb: memory of the largest process.
        more: what else it printed.
    """

    trials: int
    wall_s: float
    cpu_s: float
    loop_s: float
    first_trial_s: float
    best_value: float
    peak_mb: float
    more: dict[str, Any]

    @property
    def rate(self) -> float:
        """Trials a second."""
        return self.trials / self.wall_s


def by_hand(style: str, *, trials: int, seed: int, epochs: int = 20) -> Measured:
    """Run a hand-written loop: `dataloader`, `lean`, or `lean-2`, which is two lean processes on one journal file."""
    folder = _folder(by_tunelab=False)
    command = ["-m", "benchmarks.handwritten", "--style", style.removesuffix("-2")]
    command += ["--trials", str(trials), "--seed", str(seed), "--epochs", str(epochs)]
    if style == "lean-2":
        shared = [*command, "--journal", "optuna.journal"]
        workers = together([[*shared, "--worker", f"{worker}/2"] for worker in range(2)], folder)
    else:
        workers = [python(*command, folder=folder)]
    found = [_last_line(ran) for ran in workers]
    began = min(ran.began for ran in workers)
    firsts = [
        ran.began - began + one["first_trial_s"]
        for ran, one in zip(workers, found, strict=True)
        if one["first_trial_s"]
    ]
    return Measured(
        trials=sum(one["trials"] for one in found),
        wall_s=max(ran.began + ran.wall_s for ran in workers) - began,
        cpu_s=sum(ran.cpu_s for ran in workers),
        loop_s=max(one["loop_s"] for one in found),
        first_trial_s=min(firsts),
        best_value=max(one["best_value"] for one in found),
        peak_mb=max(ran.peak_mb for ran in workers),
        more=found[0],
    )


def by_tunelab(
    experiment: str = "digits", *, trials: int, seed: int, population: int | None = None, with_store: bool = True
) -> Measured:
    """Run `tunelab run`, MLflow and all; `with_store` says whether its SQLite file is there already."""
    folder = _folder(by_tunelab=True, with_store=with_store)
    command = ["-c", TUNELAB, "run", f"{ROOT / 'benchmarks' / 'experiments.py'}:{experiment}", "--json"]
    command += ["--trials", str(trials), "--seed", str(seed)]
    command += ["--population", str(population)] if population else []
    ran = python(*command, folder=folder)
    found = _last_line(ran)
    events = list(_spool(folder))
    first = next(event for event in events if event["event"] == "end" and event["state"] == "complete")
    return Measured(
        trials=found["trials"],
        wall_s=ran.wall_s,
        cpu_s=ran.cpu_s,
        loop_s=ran.began + ran.wall_s - events[0]["at"],  # to the end: until MLflow shows everything
        first_trial_s=first["at"] - ran.began,
        best_value=found["best_value"],
        peak_mb=ran.peak_mb,
        more=found,
    )


def by_script(experiment: str, *, trials: int, seed: int, **options: str | int | None) -> Measured:
    """Run `benchmarks.study`: what the command line has no option for."""
    folder = _folder(by_tunelab=True)
    command = ["-m", "benchmarks.study", experiment, "--trials", str(trials), "--seed", str(seed)]
    for name, value in options.items():
        command += [] if value is None else [f"--{name}"] if value == "" else [f"--{name}", str(value)]
    ran = python(*command, folder=folder)
    found = _last_line(ran)
    return Measured(
        trials=found["trials"],
        wall_s=ran.wall_s,
        cpu_s=ran.cpu_s,
        loop_s=found["loop_s"],
        first_trial_s=found["first_trial_s"],
        best_value=found["best_value"],
        peak_mb=ran.peak_mb,
        more=found,
    )


def adam(steps: int) -> dict[str, float]:
    """Run `benchmarks.adam`: ns per element of each side."""
    found: dict[str, float] = _last_line(python("-m", "benchmarks.adam", "--steps", str(steps), folder=_folder()))
    return found


def steps(work: str, *, batch: int, members: int, epochs: int) -> dict[str, list[float]]:
    """Run `benchmarks.steps`: CPU microseconds of a member's step, each epoch of each side."""
    command = ["-m", "benchmarks.steps", work, "--batch", str(batch), "--members", str(members)]
    found: dict[str, list[float]] = _last_line(
        python(*command, "--epochs", str(epochs), folder=_folder(with_store=False))
    )
    return found


def memory(work: str, side: str) -> float:
    """Return the megabytes that one side of `benchmarks.steps` adds to what is imported and the rows."""
    found = _last_line(python("-m", "benchmarks.steps", work, "--memory", side, folder=_folder(with_store=False)))
    return float(found["peak_mb"] - found["before_mb"])


@cache
def _template(by_tunelab: bool) -> Path:
    """Return an empty SQLite store."""
    folder = _folder(with_store=False)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    python("-c", f"{MAKE_STORE[by_tunelab]}; make({uri!r})", folder=folder)
    return folder / "mlflow.db"


def _folder(*, by_tunelab: bool = True, with_store: bool = True) -> Path:
    """Return a fresh folder, with an empty MLflow store in it: making one takes seconds, once in its life."""
    folder = Path(mkdtemp(dir=SCRATCH.name))
    if with_store:
        shutil.copy(_template(by_tunelab), folder)
    return folder


def _spool(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what the engine told its tracker, with times."""
    (spool,) = folder.glob("studies/*/spool.jsonl")
    with spool.open() as lines:
        yield from map(json.loads, lines)


def _last_line(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.output.strip().rpartition("\n")[2])
    return found
