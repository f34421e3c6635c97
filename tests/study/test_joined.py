"""Several engines work on one study: each trial once, one seed, one experiment."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from postgresql import PASSWORD, Postgresql

from tunelab import Choice, Float, Trial
from tunelab import experiment as as_experiment
from tunelab.errors import ExperimentError, StoreError
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, joined, resume
from tunelab.study.engine import trial_seed
from tunelab.study.joined import EXPERIMENT, SEED, WRITTEN
from tunelab.study.shared_storage import ASK, ENGINE
from tunelab.study.storage import open_shared
from tunelab.study.widen import widened
from tunelab.tracking.memory import MemoryTracker

from .engines import JoiningEngine
from .rig import bowl, calm_bowl, search, wine

ENGINES = 4
Start = Callable[[str, str, int], JoiningEngine]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an engine that joins a study of a storage and adds so many trials; none outlives the test."""
    with ExitStack() as ends:
        yield lambda url, name, trials: ends.enter_context(JoiningEngine(url, name, trials, tmp_path))


# ---- several processes, a real server


@pytest.mark.parametrize("each", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_four_engines_share_a_study(each: int, tmp_path: Path, postgresql: Postgresql, start: Start) -> None:
    first = search(bowl(), tmp_path, storage=postgresql.url, trials=5, seed=7)
    engines = [start(postgresql.url, first.name, each) for _ in range(ENGINES)]
    _check_shared(first, engines, each, postgresql)


@pytest.mark.parametrize("each", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_four_engines_outlast_their_database(each: int, tmp_path: Path, postgresql: Postgresql, start: Start) -> None:
    first = search(bowl(), tmp_path, storage=postgresql.url, trials=5, seed=7)
    engines = [start(postgresql.url, first.name, each) for _ in range(ENGINES)]
    _wait_for_engines(1 + ENGINES, postgresql)  # one that begins now would hear that there is no database
    postgresql.stop("immediate")
    time.sleep(3)
    postgresql.start()
    _check_shared(first, engines, each, postgresql)
    assert any("answers again" in engine.said for engine in engines)


def _wait_for_engines(engines: int, postgresql: Postgresql) -> None:
    import psycopg

    with psycopg.connect(postgresql.url.replace("+psycopg", ""), autocommit=True) as connection:
        while True:
            rows = connection.execute("SELECT DISTINCT value_json FROM trial_user_attributes WHERE key = %s", (ENGINE,))
            if len(rows.fetchall()) == engines:
                return
            time.sleep(0.01)


def _check_shared(first: Any, engines: list[JoiningEngine], each: int, postgresql: Postgresql) -> None:
    told = [engine.trials() for engine in engines]
    with postgresql.storage() as storage:
        stored = optuna.load_study(study_name=first.name, storage=storage).trials
    total = 5 + ENGINES * each
    assert [len(trials) for trials in told] == [each] * ENGINES
    assert [trial.number for trial in stored] == list(range(total))
    assert sorted(trial.number for trials in told for trial in trials) == list(range(5, total))
    assert {trial.state for trial in stored} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    for engine, trials in zip(engines, told, strict=True):
        marks = {stored[trial.number].user_attrs[ENGINE] for trial in trials}
        assert len(marks) == 1
        assert f"-{engine.process_id}-" in marks.pop()
        assert [stored[trial.number].user_attrs[ASK] for trial in trials] == list(range(each))
        for trial in trials:
            assert trial.seed == trial_seed(7, trial.number)
            if trial.value is not None:
                assert trial.value == stored[trial.number].value
        assert PASSWORD not in engine.said
    drawn = [str(trial.params) for trials in told for trial in trials]
    assert len(set(drawn)) == len(drawn)  # the samplers are not seeded alike


# ---- one process


def test_a_joiner_takes_the_studys_seed_and_its_ranges(tmp_path: Path, url: str) -> None:
    first = search(bowl(), tmp_path, storage=url, trials=5, seed=3)
    tracker = MemoryTracker()
    other = search(bowl(), tmp_path, storage=url, join=first.name, trials=30, seed=9, sampler="random", tracker=tracker)
    assert first.held
    assert other.experiment == first.experiment  # though 30 trials would search more
    assert other.held == ()
    assert [each.trial.seed for each in other.trials] == [trial_seed(3, number) for number in range(5, 35)]
    assert tracker.study is not None
    assert (tracker.study.seed, tracker.study.settings["joined"]) == (3, first.name)


def test_a_joiner_has_a_folder_and_a_best_of_its_own(tmp_path: Path, url: str) -> None:
    first = search(wine(), tmp_path, storage=url, trials=4)
    other = search(wine(), tmp_path, storage=url, join=first.name, trials=4)
    assert (first.name, other.name, other.optuna.study_name) == ("wine-1", "wine-2", "wine-1")
    assert other.best is not None
    assert other.best.trial.number >= 4
    assert other.best_model().predict(wine().data.load().x).shape == (178,)


def test_engines_draw_different_points(tmp_path: Path, url: str) -> None:
    first = search(bowl(), tmp_path, storage=url, trials=5, sampler="random")
    others = [search(bowl(), tmp_path, storage=url, join=first.name, trials=5, sampler="random") for _ in range(2)]
    drawn = [str(trial.params) for trial in others[-1].optuna.trials]
    assert len(set(drawn)) == len(drawn) == 5 * (1 + len(others))


def test_what_is_enqueued_is_run_by_who_made_the_study(tmp_path: Path, url: str) -> None:
    first = search(calm_bowl(), tmp_path, storage=url, trials=5)
    first.optuna.enqueue_trial({"optimizer": "adam"})
    other = search(calm_bowl(), tmp_path, storage=url, join=first.name, trials=2)
    assert [each.trial.number for each in other.trials] == [6, 7]
    assert first.optuna.ask().number == 5


def test_a_study_of_two_engines_is_widened_as_one(tmp_path: Path, url: str) -> None:
    narrow = bowl(optimizer=SGD.search(lr=Float(1e-4, 1e-3, log=True)))
    first = search(narrow, tmp_path, storage=url, trials=3)
    other = search(narrow, tmp_path, storage=url, join=first.name, trials=12)
    assert widened(narrow, tmp_path, url).after == other.name == "bowl-2"


def test_a_loop_is_joined(tmp_path: Path, url: str) -> None:
    @as_experiment(lr=Float(0, 1), minimize="loss")
    def descent(trial: Trial) -> Iterator[dict[str, float]]:
        yield {"loss": float(trial.params["lr"])}  # type: ignore[arg-type]

    first = search(descent, tmp_path, storage=url, trials=2)  # type: ignore[arg-type]
    other = search(descent, tmp_path, storage=url, join=first.name, trials=2)  # type: ignore[arg-type]
    assert [each.trial.number for each in other.trials] == [2, 3]


# ---- what is refused


def test_a_study_of_several_engines_is_not_written_anew(tmp_path: Path, url: str) -> None:
    def until(trials: int) -> Callable[[Snapshot], None]:
        def stop(now: Snapshot) -> None:
            if now.done >= trials:
                raise KeyboardInterrupt

        return stop

    for settings in ({}, {"join": "bowl-1"}):
        with pytest.raises(KeyboardInterrupt):
            search(bowl(), tmp_path, storage=url, trials=10**4, watch=until(3), **settings)
    before = [trial.state for trial in optuna.load_study(study_name="bowl-1", storage=url).trials]
    for home in ("bowl-1", "bowl-2"):
        with pytest.raises(ExperimentError, match=rf"{home} cannot be resumed: other engines .*the study bowl-1 too"):
            resume(tmp_path / home, executor="inline", tracker=MemoryTracker())
    assert [trial.state for trial in optuna.load_study(study_name="bowl-1", storage=url).trials] == before
    search(bowl(), tmp_path, storage=url, join="bowl-1", trials=8)  # of which some may diverge


def test_a_study_of_one_engine_is_resumed_in_a_database(tmp_path: Path, url: str) -> None:
    def stop(now: Snapshot) -> None:
        if now.done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(bowl(), tmp_path, storage=url, trials=12, watch=stop)
    study = resume(tmp_path / "bowl-1", executor="inline", tracker=MemoryTracker())
    assert [trial.number for trial in study.optuna.trials] == list(range(12))
    assert len({trial.user_attrs[ENGINE] for trial in study.optuna.trials}) == 1


def test_an_unknown_study_is_refused(tmp_path: Path, url: str) -> None:
    search(bowl(), tmp_path, storage=url, trials=1)
    with pytest.raises(StoreError, match=r"holds no study 'bowl-2' to join; did you mean 'bowl-1'\? Known: bowl-1"):
        search(bowl(), tmp_path, storage=url, join="bowl-2")
    assert [path.name for path in tmp_path.glob("bowl-*")] == ["bowl-1"]


@pytest.mark.parametrize("name", ["../bowl-1", "", "a\0b", "\udcff"])
def test_a_name_that_no_study_can_have_is_refused(name: str, tmp_path: Path, url: str) -> None:
    search(bowl(), tmp_path, storage=url, trials=1)
    with pytest.raises(StoreError, match=r"holds no study '.*' to join"):
        search(bowl(), tmp_path, storage=url, join=name)
    assert {path.name for path in tmp_path.iterdir()} == {"bowl-1", "studies.db"}


def test_another_experiment_is_refused(tmp_path: Path, url: str) -> None:
    search(bowl(), tmp_path, storage=url, trials=1)
    other = bowl(optimizer=Choice(SGD, Adam), epochs=4)
    with pytest.raises(
        ExperimentError, match="searches another experiment than bowl: epochs, optimizer differ; join it"
    ):
        search(other, tmp_path, storage=url, join="bowl-1")


def test_other_data_is_refused(tmp_path: Path, url: str) -> None:
    def on(rows: int) -> Any:
        x = np.random.default_rng(0).normal(size=(rows, 3))
        np.savez(tmp_path / "mine.npz", x=x, y=(x[:, 0] > 0).astype(int))
        return wine(name="mine", data=str(tmp_path / "mine.npz"), batch_size=8)

    search(on(60), tmp_path, storage=url, trials=1)
    with pytest.raises(ExperimentError, match=r"the study mine-1 in sqlite:.* trains on other data than .*mine.npz"):
        search(on(61), tmp_path, storage=url, join="mine-1")


@pytest.mark.parametrize(
    ("key", "note"),
    [
        *((key, note) for key in (WRITTEN, EXPERIMENT) for note in ("{", "[]", "7", 7, None, {}, "[" * 10**5)),
        *((SEED, note) for note in ("7", None, 7.5, [], True)),
    ],
)
def test_notes_that_are_damaged_are_refused(key: str, note: Any, tmp_path: Path, url: str) -> None:
    optuna.create_study(study_name="bowl-1", storage=url)
    study = optuna.load_study(study_name="bowl-1", storage=open_shared(url, is_owner=False))
    joined.note(study, bowl(), bowl(), 7, None)
    study.set_user_attr(key, note)
    with pytest.raises((StoreError, ExperimentError), match=r"^the study bowl-1 in sqlite:.* (cannot|does not)"):
        joined.joined(bowl(), url, "bowl-1")


def test_a_study_of_somebody_elses_is_refused(tmp_path: Path, url: str) -> None:
    optuna.create_study(study_name="theirs", storage=url)
    with pytest.raises(StoreError, match=r"the study theirs in sqlite:.* does not say what it searches"):
        search(bowl(), tmp_path, storage=url, join="theirs")


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        (
            None,
            r"join='bowl-1' \(--join bowl-1\) needs storage \(--storage\), where the study is; a journal in a study's",
        ),
        ("studies/bowl-1/optuna.journal", "is a file of one engine, and cannot be shared; give the URL of a database"),
        ("sqlite://", "lies in the memory of one process"),
        ("sqlite:///:memory:", "lies in the memory of one process"),
    ],
)
def test_a_storage_that_is_not_shared_is_refused(storage: str | None, says: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=says):
        search(bowl(), tmp_path, storage=storage, join="bowl-1")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"widen": True}, r"a study that is joined has its ranges already; leave widen \(--widen\) out"),
        ({"sampler": "grid"}, "a grid is walked by the engine that laid it; join with another sampler"),
    ],
)
def test_what_a_joiner_cannot_decide_is_refused(settings: dict[str, Any], says: str, tmp_path: Path, url: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        search(bowl(), tmp_path, storage=url, join="bowl-1", **settings)


def test_an_engine_is_named_for_its_process(tmp_path: Path, url: str) -> None:
    study = search(bowl(), tmp_path, storage=url, trials=1)
    assert f"-{os.getpid()}-" in study.optuna.trials[0].user_attrs[ENGINE]
