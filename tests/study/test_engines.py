"""Engines of one study that are killed: what they leave is ended, and what lives is left alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from postgresql import Postgresql

from tunelab.errors import ExperimentError
from tunelab.study import Snapshot, engines, resume, shared_storage
from tunelab.study.engines import OWNERS, PROCESS, dead_engines, other_engines
from tunelab.study.process_identity import ProcessIdentity
from tunelab.study.shared_storage import ASK, ENGINE, SharedStorage
from tunelab.study.storage import open_shared
from tunelab.tracking.memory import MemoryTracker

from .engines import JoiningEngine
from .lossy_proxy import LossyProxy
from .rig import bowl, calm_bowl, search

pytestmark = pytest.mark.skipif(ProcessIdentity.here() is None, reason="needs Linux's /proc")
TRIALS = 40
"""Of an engine in a process of its own; after ten it pauses."""

Start = Callable[[str, str | None], JoiningEngine]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an engine that makes or joins a study of a storage, and pauses; none outlives the test."""

    def started(url: str, name: str | None) -> JoiningEngine:
        engine = ends.enter_context(JoiningEngine(url, name, TRIALS, tmp_path, pause=10))
        engine.wait_until_it_pauses()
        return engine

    with ExitStack() as ends:
        yield started


def opened(url: str) -> optuna.Study:
    """Return the study as another engine sees it."""
    return optuna.load_study(study_name="bowl-1", storage=open_shared(url, is_owner=False))


def trials_of(url: str, *engines: JoiningEngine) -> list[FrozenTrial]:
    """Return the trials of these engines, or all."""
    found = opened(url).trials
    marks = [f"-{engine.process_id}-" for engine in engines]
    return [trial for trial in found if not marks or any(mark in trial.user_attrs[ENGINE] for mark in marks)]


def running(trials: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials if trial.state is TrialState.RUNNING]


# ---- who lives, and who does not


def test_a_joiner_ends_the_trials_of_a_killed_engine_and_of_nobody_else(
    tmp_path: Path, postgresql: Postgresql, start: Start
) -> None:
    url = postgresql.url
    search(bowl(), tmp_path, storage=url, trials=5)
    killed, stays = start(url, "bowl-1"), start(url, "bowl-1")
    killed.kill()
    before = trials_of(url, killed)
    left = running(before)
    assert left
    others = running(trials_of(url, stays))
    assert others
    search(bowl(), tmp_path, storage=url, join="bowl-1", trials=3)
    assert running(trials_of(url, stays)) == others
    stays.go_on()
    after = trials_of(url, killed)
    assert [trial.number for trial in after] == [trial.number for trial in before]
    ended = [trial for trial in after if trial.user_attrs.get("reason") == "its engine ended"]
    assert [trial.number for trial in ended] == left
    assert {(trial.state, trial.user_attrs["state"]) for trial in ended} == {(TrialState.FAIL, "interrupted")}
    told = stays.trials()  # which would have failed on a trial that somebody else ended
    every = trials_of(url)
    assert [trial.number for trial in every] == list(range(5 + len(before) + TRIALS + 3))
    assert [trial.number for trial in trials_of(url, stays)] == sorted(trial.number for trial in told)
    assert running(every) == []


def test_an_engine_that_ends_looks_once_more(
    tmp_path: Path, url: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    search(bowl(), tmp_path, storage=url, trials=5)
    killed = start(url, "bowl-1")

    def kill(now: Snapshot) -> None:
        if now.done >= 1:
            killed.kill()

    search(bowl(), tmp_path, storage=url, join="bowl-1", trials=3, watch=kill)
    assert running(trials_of(url)) == []
    (said,) = [record.getMessage() for record in caplog.records if record.name == engines.__name__]
    assert f"-{killed.process_id}-" in said
    assert said.startswith("bowl-1: the engine ")


def test_an_engine_that_cannot_be_seen_is_left_alone_and_a_person_ends_its_trials(tmp_path: Path, url: str) -> None:
    first = search(calm_bowl(), tmp_path, storage=url, trials=2)
    far = asdict(dead()) | {"host": "far", "boot": "other"}
    first.optuna.set_user_attr(f"{PROCESS}far-1-aa", far)
    noted, unknown = first.optuna.ask(), first.optuna.ask()
    noted.set_user_attr(ENGINE, "far-1-aa")
    unknown.set_user_attr(ENGINE, "far-2-bb")
    search(calm_bowl(), tmp_path, storage=url, join="bowl-1", trials=1)
    assert running(trials_of(url)) == [noted.number, unknown.number]
    study = opened(url)  # as docs/scale.md says
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if trial.user_attrs["tunelab.engine"] == "far-1-aa":
            study.tell(trial.number, state=TrialState.FAIL)
    assert running(trials_of(url)) == [unknown.number]


def dead() -> ProcessIdentity:
    """A process that has ended."""
    here = ProcessIdentity.here()
    assert here is not None
    return ProcessIdentity(**(asdict(here) | {"started": here.started - 1}))


# ---- what is enqueued


def test_an_engine_that_runs_on_takes_over_what_a_killed_owner_enqueued(
    tmp_path: Path, url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PAUSE", 0.0)
    owner = start(url, None)
    enqueued: list[int] = []

    def kill(now: Snapshot) -> None:
        if now.done >= 1 and not enqueued:
            owner.kill()
            enqueued.extend(_enqueue_as(url, trials_of(url, owner)[0].user_attrs[ENGINE]))

    other = search(bowl(), tmp_path, storage=url, join="bowl-1", trials=30, watch=kill)
    after = trials_of(url)
    assert running(after) == []
    mine = other.trials[0].trial.number
    assert {each.trial.number for each in other.trials} >= set(enqueued)
    assert {after[number].user_attrs[ENGINE] for number in enqueued} == {after[mine].user_attrs[ENGINE]}
    asks = [after[each.trial.number].user_attrs[ASK] for each in other.trials]
    assert sorted(asks) == list(range(30))


def _enqueue_as(url: str, engine: str) -> Iterator[int]:
    study = opened(url)
    for ask, optimizer in enumerate(("sgd", "adam")):
        study.enqueue_trial({"optimizer": optimizer})
        trial = study.get_trials(deepcopy=False)[-1]
        study._storage.set_trial_user_attr(trial._trial_id, ASK, ask)
        study._storage.set_trial_user_attr(trial._trial_id, ENGINE, engine)
        yield trial.number


def test_an_owner_that_lives_stays_the_owner(tmp_path: Path, url: str) -> None:
    first = search(calm_bowl(), tmp_path, storage=url, trials=2)
    search(calm_bowl(), tmp_path, storage=url, join="bowl-1", trials=1)
    assert first.optuna.user_attrs[OWNERS] == [first.optuna.trials[0].user_attrs[ENGINE]]


@pytest.mark.parametrize("note", [{"host": "a"}, {"host": "a", "later": 1}, "theirs", None, [1]])
def test_an_engine_whose_note_cannot_be_read_is_alive(note: Any, tmp_path: Path, url: str) -> None:
    search(calm_bowl(), tmp_path, storage=url, trials=2)
    opened(url).set_user_attr(PROCESS + "later", note)
    assert dead_engines(opened(url).user_attrs, ProcessIdentity.here()) == set()
    assert "later" in other_engines(opened(url))
    search(calm_bowl(), tmp_path, storage=url, join="bowl-1", trials=1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_many_at_once_one_becomes_the_owner(kind: str, url: str, request: pytest.FixtureRequest) -> None:
    place = url if kind == "sqlite" else request.getfixturevalue("postgresql").url
    study = optuna.create_study(study_name="bowl-1", storage=open_shared(place, is_owner=False))
    study.set_user_attr(f"{PROCESS}dead-1-aa", asdict(dead()))
    study.set_user_attr(OWNERS, ["dead-1-aa"])
    storages = [open_shared(place, is_owner=False) for _ in range(6)]
    ready = threading.Barrier(len(storages))

    def take(storage: SharedStorage) -> None:
        one = engines.Engines(optuna.load_study(study_name="bowl-1", storage=storage))
        ready.wait()
        one.look()

    threads = [threading.Thread(target=take, args=(storage,)) for storage in storages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (owner,) = [storage.engine for storage in storages if storage.is_owner]
    assert study.user_attrs[OWNERS] == ["dead-1-aa", owner]


def test_who_became_the_owner_knows_it_though_the_answer_was_lost(
    postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_storage, "FIRST_WAIT", 0.001)
    study = optuna.create_study(study_name="bowl-1", storage=open_shared(postgresql.url, is_owner=False))
    with LossyProxy(postgresql.port, 3) as proxy:
        storage = open_shared(postgresql.url.replace(f":{postgresql.port}/", f":{proxy.port}/"), is_owner=False)
        proxy.is_lossy = True
        for number in range(10):
            study.set_user_attr(OWNERS, ["dead"])
            assert storage.swap_study_user_attr(study._study_id, OWNERS, ["dead"], ["dead", str(number)])
            assert not storage.swap_study_user_attr(study._study_id, OWNERS, ["dead"], ["dead", "late"])
            assert study.user_attrs[OWNERS] == ["dead", str(number)]
        assert proxy.lost > 0


# ---- a maker that was killed


def test_a_killed_maker_is_resumed_if_nobody_else_works_on_it(tmp_path: Path, url: str, start: Start) -> None:
    maker = start(url, None)
    maker.kill()
    study = opened(url)
    study.set_user_attr(f"{PROCESS}dead-1-aa", asdict(dead()))  # joined, and died before it had a trial
    found = _resumed(tmp_path)
    assert [trial.number for trial in found.optuna.trials] == list(range(TRIALS))
    assert running(found.optuna.trials) == []


def test_a_killed_maker_is_not_resumed_under_an_engine_that_has_no_trials_yet(
    tmp_path: Path, url: str, start: Start
) -> None:
    maker = start(url, None)
    maker.kill()
    here = ProcessIdentity.here()
    assert here is not None
    opened(url).set_user_attr(f"{PROCESS}new-1-aa", asdict(here))
    with pytest.raises(ExperimentError, match=r"bowl-1 cannot be resumed: other engines .* --join bowl-1"):
        _resumed(tmp_path)


def _resumed(folder: Path) -> Any:
    return resume(folder / "bowl-1", executor="inline", tracker=MemoryTracker())
