"""A study that is cut off and resumed is the one that never was."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient
from sklearn.datasets import load_wine

from tunelab import Choice, Experiment, Float
from tunelab.errors import ExperimentError, InputError, StoreError
from tunelab.optimizers import SGD
from tunelab.study import Snapshot, Study, resume, run
from tunelab.study.folder import held as held_folder
from tunelab.study.rounds import ROUNDS, Rounds
from tunelab.study.storage import JOURNAL
from tunelab.study.study_file import STUDY, StudyFile
from tunelab.tracking import MemoryTracker
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.spool import SPOOL
from tunelab.trial import Result

from .rig import Brittle, held, wine

TRIALS = 40


def outcome(study: Study) -> list[Any]:
    return [told(result) for result in study.trials]


def told(result: Result) -> Any:
    return result.trial.number, dict(result.trial.params), result.trial.seed, result.state, result.value, result.curves


def cut_off(experiment: Experiment, folder: Path, after: int, **settings: Any) -> Path:
    """Run a study until so many trials have ended, and stop it as Ctrl-C does; return its folder."""

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment, folder=folder, watch=watch, tracker=MemoryTracker(), **settings)
    return max(folder.iterdir(), key=lambda path: path.stat().st_mtime)


SETTINGS: dict[str, dict[str, Any]] = {
    "tpe": {},
    "random, median": {"sampler": "random", "pruner": "median"},
    "asha, several workers": {"pruner": "asha", "workers": 3, "executor": "process"},
    "nsgaii": {"sampler": "nsgaii"},
    "cmaes": {"sampler": "cmaes"},
    "qmc": {"sampler": "qmc"},
    "grid": {"sampler": "grid", "search": "all"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_it_ends_as_if_it_had_never_been_cut_off(case: str, tmp_path: Path) -> None:
    settings = {"trials": TRIALS, "executor": "inline", "seed": 3} | SETTINGS[case]
    experiment = wine(optimizer=SGD.search(lr=Float(1e-3, 1.0, log=True)))
    if case == "grid":
        experiment = wine(optimizer=SGD(lr=0.1), epochs=2)
        settings |= {"trials": 1}
    whole = run(experiment, folder=tmp_path / "whole", tracker=MemoryTracker(), **settings)
    home = cut_off(experiment, tmp_path / "cut", 0 if case == "grid" else TRIALS // 2, **settings)
    found = resume(home, executor=settings["executor"], tracker=MemoryTracker())
    assert outcome(found) == outcome(whole)
    assert found.best is not None
    assert whole.best is not None
    assert found.best.trial == whole.best.trial


def test_no_trial_that_ended_runs_again_and_none_is_lost(tmp_path: Path) -> None:
    home = cut_off(wine(), tmp_path, 10, trials=TRIALS, executor="inline")
    before = [ended.trial for known in Rounds(home).known() for ended in known.progress.ended]
    tracker = MemoryTracker()
    study = resume(home, executor="inline", tracker=tracker)
    rounds = list(Rounds(home).known())
    ended = [each.trial for known in rounds for each in known.progress.ended]
    assert sorted(ended) == list(range(TRIALS))
    assert ended[: len(before)] == before
    reported = [(each.trial, each.epoch) for known in rounds for each in known.progress.reports]
    assert len(reported) == len(set(reported)), "no epoch is trained twice for a study that had no crash"
    assert len(study.trials) == len(tracker.trials) == TRIALS


def test_optuna_has_every_trial_once_with_the_times_of_old(tmp_path: Path) -> None:
    home = cut_off(wine(), tmp_path, 10, trials=TRIALS, executor="inline")
    before = held(home, home.name)
    time.sleep(1.0)
    resume(home, executor="inline", tracker=MemoryTracker())
    after = held(home, home.name)
    assert [trial.number for trial in after] == list(range(TRIALS))
    assert {trial.state.name for trial in after} == {"COMPLETE"}
    done = [trial.number for trial in before if trial.state.name == "COMPLETE"]
    assert len(done) >= 10
    for number in done:
        assert after[number].params == before[number].params
        assert after[number].value == before[number].value
        for name in ("datetime_start", "datetime_complete"):
            old, new = getattr(before[number], name), getattr(after[number], name)
            assert abs((new - old).total_seconds()) < 0.9


def test_the_time_that_it_was_away_does_not_count(tmp_path: Path) -> None:
    began = time.monotonic()
    home = cut_off(wine(), tmp_path, 10, trials=TRIALS, executor="inline")
    time.sleep(2.0)
    study = resume(home, executor="inline", tracker=MemoryTracker())
    assert study.progress.seconds < time.monotonic() - began - 1.9


def test_a_study_in_a_database_is_resumed_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    whole = run(wine(), trials=12, executor="inline", folder=tmp_path / "whole", tracker=MemoryTracker())
    home = cut_off(wine(name="again"), tmp_path / "cut", 4, trials=12, executor="inline", storage=url)
    found = resume(home, executor="inline", tracker=MemoryTracker())
    assert outcome(found) == outcome(whole)
    kept = optuna.load_study(study_name=home.name, storage=url).get_trials()
    assert [trial.state.name for trial in kept] == ["COMPLETE"] * 12


def test_it_may_be_cut_off_and_resumed_again(tmp_path: Path) -> None:
    whole = run(wine(), trials=TRIALS, executor="inline", folder=tmp_path / "whole", tracker=MemoryTracker())
    home = cut_off(wine(), tmp_path / "cut", 5, trials=TRIALS, executor="inline")

    def watch(snapshot: Snapshot) -> None:
        if snapshot.done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume(home, executor="inline", tracker=MemoryTracker(), watch=watch)
    assert outcome(resume(home, executor="inline", tracker=MemoryTracker())) == outcome(whole)


def answers(folder: Path) -> list[Any]:
    """Return what workers answered, round by round, but for what the clock has a part in."""
    (home,) = folder.glob("wine-*")
    rounds = [replace(known.progress, seconds=0.0) for known in Rounds(home).known()]
    return [replace(each, ended=tuple(replace(end, weights=None) for end in each.ended)) for each in rounds]


@pytest.mark.parametrize("settings", [{}, {"pruner": "median"}], ids=["tpe", "tpe, median"])
def test_it_is_the_same_however_often_it_is_cut_off_where_populations_raise(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {"trials": 30, "seed": 5, "population": 4, "executor": "inline"} | settings
    brittle, whole, cut = wine(optimizer=Choice(Brittle)), tmp_path / "whole", tmp_path / "cut"
    expected = run(brittle, folder=whole, tracker=MemoryTracker(), **settings)
    assert any(known.again for known in answers(whole))
    shown = 0

    def watch(_: Snapshot) -> None:
        nonlocal shown
        shown += 1
        if shown % 9 == 0:
            raise KeyboardInterrupt

    found, cuts = None, 0
    while found is None:
        try:
            if cuts == 0:
                found = run(brittle, folder=cut, watch=watch, tracker=MemoryTracker(), **settings)
            else:
                (home,) = cut.iterdir()
                found = resume(home, executor="inline", watch=watch, tracker=MemoryTracker())
        except KeyboardInterrupt:
            cuts += 1
    assert cuts > 8
    assert answers(cut) == answers(whole)
    assert outcome(found) == outcome(expected)


# ---- what cannot be resumed


def cut(folder: Path) -> Path:
    return cut_off(wine(), folder, 2, trials=6, executor="inline")


def test_mistakes_are_told(tmp_path: Path) -> None:
    home = cut(tmp_path)
    with pytest.raises(StoreError, match=rf"other is no study's folder: it has no {STUDY}; in .*: Known: {home.name}"):
        resume(tmp_path / "other")
    with held_folder(home), pytest.raises(StoreError, match=f"{home.name} is running; wait until it has ended"):
        resume(home, tracker=MemoryTracker())
    resume(home, executor="inline", tracker=MemoryTracker())
    with pytest.raises(ExperimentError, match=f"{home.name} has ended, so there is nothing to resume"):
        resume(home, tracker=MemoryTracker())


def test_a_sampler_of_ones_own_must_be_given_again(tmp_path: Path) -> None:
    def own() -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=7)

    whole = run(wine(), trials=8, executor="inline", sampler=own(), folder=tmp_path / "a", tracker=MemoryTracker())
    home = cut_off(wine(), tmp_path / "b", 3, trials=8, executor="inline", sampler=own())
    with pytest.raises(ExperimentError, match="was run with a sampler that has no name; give it as it was made then"):
        resume(home, tracker=MemoryTracker())
    assert outcome(resume(home, sampler=own(), executor="inline", tracker=MemoryTracker())) == outcome(whole)


def test_a_password_is_not_kept_and_must_be_given_again(tmp_path: Path) -> None:
    home = cut(tmp_path)
    file = StudyFile.load(home)
    StudyFile(**vars(file) | {"storage": "postgresql://ann:***@host/db"}).save(home)
    with pytest.raises(ExperimentError, match=r"whose secrets are not kept; give the URL"):
        resume(home, tracker=MemoryTracker())


@pytest.mark.parametrize("changed", [0, 177], ids=["first row", "last row"])
def test_rows_that_are_not_those_it_was_begun_on_are_refused(changed: int, tmp_path: Path) -> None:
    table = load_wine()
    home = cut_off(wine(data=(table.data, table.target)), tmp_path, 2, trials=6, executor="inline")
    other = table.data.copy()
    other[changed, 3] += 1e-6
    before = (home / JOURNAL).read_bytes()
    with pytest.raises(ExperimentError, match=f"{home.name} was begun on other data than .* its rows differ"):
        resume(home, wine(data=(other, table.target)), executor="inline", tracker=MemoryTracker())
    assert (home / JOURNAL).read_bytes() == before, "and nothing is touched"
    assert resume(home, wine(data=(table.data, table.target)), executor="inline", tracker=MemoryTracker()).best


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (STUDY, "{", "is damaged"),
        (STUDY, '{"seed": 1}', "is damaged"),
        (ROUNDS, '{"began": 3}\n', "line 1, is damaged"),
        ("experiment.json", "{}", "cannot be read from its JSON"),
    ],
)
def test_files_that_are_damaged_are_told(file: str, text: str, message: str, tmp_path: Path) -> None:
    home = cut(tmp_path)
    (home / file).write_text(text)
    with pytest.raises(InputError, match=message):
        resume(home, executor="inline", tracker=MemoryTracker())


def test_a_torn_last_line_is_a_round_that_was_not_known(tmp_path: Path) -> None:
    whole = run(wine(), trials=8, executor="inline", folder=tmp_path / "whole", tracker=MemoryTracker())
    home = cut_off(wine(), tmp_path / "cut", 3, trials=8, executor="inline")
    lines = (home / ROUNDS).read_bytes()
    (home / ROUNDS).write_bytes(lines[:-40])
    assert outcome(resume(home, executor="inline", tracker=MemoryTracker())) == outcome(whole)


# ---- killed for real


FILE = """
from tunelab import Choice, Experiment
from tunelab.models import MLP
experiment = Experiment(name="kill", data="wine", model=MLP(width=8, depth=1), optimizer=Choice("adam", "momentum"),
                        schedule=Choice("constant", "cosine"), batch_size=Choice(16, 32), epochs=8)
"""


def tunelab(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    code = "from tunelab.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trials_of(home: Path) -> dict[int, Any]:
    found = held(home, home.name)
    return {each.number: (each.state.name, each.params, each.value, each.intermediate_values) for each in found}


def killed_and_resumed(folder: Path, dice: random.Random, kills: int) -> tuple[Path, int]:
    """Run a study whose engine is killed again and again until it has ended; return its folder, and how often."""
    process, done = tunelab(folder, "run", "kill.py", "--trials", "40"), 0
    while True:
        try:
            out, _ = process.communicate(timeout=dice.uniform(0.9, 3.0) if done < kills else 120)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
        else:
            assert process.returncode == 0, out
        homes = sorted((folder / "studies").glob(f"kill-*/{STUDY}"), key=lambda path: int(path.parent.name[5:]))
        if homes and StudyFile.load(homes[-1].parent).finished:
            return homes[-1].parent, done
        again = ["resume", homes[-1].parent.name] if homes else ["run", "kill.py", "--trials", "40"]
        process = tunelab(folder, *again)


def check_kills(folder: Path, studies: int, kills: int) -> int:
    """Kill engines of studies and compare each with one that was not; return how many were killed."""
    (folder / "kill.py").write_text(FILE)
    out, _ = tunelab(folder, "run", "kill.py", "--trials", "40").communicate(timeout=120)
    whole = json.loads(out.splitlines()[-1])["study"]
    expected, dice, done = trials_of(folder / "studies" / whole), random.Random(0), 0
    shutil.rmtree(folder / "studies" / whole)
    for _ in range(studies):
        home, killed = killed_and_resumed(folder, dice, kills)
        done += killed
        assert trials_of(home) == expected
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("kill").experiment_id], max_results=50_000)  # type: ignore[union-attr]
    assert {each.info.status for each in runs} == {"FINISHED"}
    parents = [each for each in runs if "mlflow.parentRunId" not in each.data.tags]
    for parent in parents:
        children = [each for each in runs if each.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert sorted(int(each.data.tags["tunelab.trial"]) for each in children) == list(range(40))
        for each in children:
            losses = client.get_metric_history(each.info.run_id, "val_loss")
            assert [point.step for point in losses] == list(range(1, 9)), "every epoch, once"
    return done


@pytest.mark.usefixtures("store")
def test_an_engine_that_is_killed_anywhere_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    assert check_kills(tmp_path, studies=2, kills=3) >= 2


def test_trials_that_trained_when_the_spool_was_lost_are_shown_once(tmp_path: Path, store: str) -> None:
    """The study says again what it had said, with other times; MLflow has most of it."""
    rounds = 0

    def watch(snapshot: Snapshot) -> None:
        """Stop three rounds after the first trials ended, when others train."""
        nonlocal rounds
        rounds += snapshot.done >= 4
        if rounds == 3:
            raise KeyboardInterrupt

    settings = {"executor": "inline", "tracking_uri": store}
    with pytest.raises(KeyboardInterrupt):
        run(wine(epochs=6), trials=12, population=4, folder=tmp_path, watch=watch, **settings)
    (home,) = tmp_path.glob("wine-*")
    client, before = MlflowClient(store), MirrorState.load(home)
    left = {number: client.get_run(run).info.status for number, run in before.runs.items()}
    assert "KILLED" in left.values()
    assert any(client.get_metric_history(before.runs[each], "lr") for each in left if left[each] == "KILLED")
    (home / SPOOL).unlink()
    study = resume(home, **settings)
    assert study.mlflow_run_id == before.run_id
    query = f"tags.`mlflow.parentRunId` = '{study.mlflow_run_id}'"
    found = client.search_runs([study.mlflow_experiment_id], query)
    shown = {int(each.data.tags["tunelab.trial"]): each for each in found}
    assert len(found) == len(shown) == len(study.trials) == 12
    for result in study.trials:
        each = shown[result.trial.number]
        assert each.info.status == "FINISHED"
        for name, curve in result.curves.items():
            points = [(point.step, point.value) for point in client.get_metric_history(each.info.run_id, name)]
            assert points == list(zip(curve.epochs, curve.values, strict=True))


@pytest.mark.soak
def test_a_hundred_kills(tmp_path: Path) -> None:
    done, turn = 0, 0
    while done < 100:
        folder = tmp_path / str(turn)
        folder.mkdir()
        done, turn = done + check_kills(folder, studies=10, kills=3), turn + 1
