"""A journal of one writer holds what Optuna's own holds, and does not look for enqueued trials for ever."""

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from tunelab.study.journal import OneWriterJournal


def test_enqueued_trials_come_first_whenever_they_are_enqueued(tmp_path: Path) -> None:
    study = optuna.create_study(storage=OneWriterJournal(tmp_path / "journal"))
    study.enqueue_trial({"x": 0.25})
    seen = []
    for number in range(6):
        if number == 4:
            study.enqueue_trial({"x": 0.75})
        trial = study.ask()
        seen.append(trial.suggest_float("x", 0, 1))
        study.tell(trial, seen[-1])
    assert seen[0] == 0.25
    assert seen[4] == 0.75
    again = optuna.load_study(
        study_name=study.study_name, storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    )
    assert [trial.params["x"] for trial in again.trials] == seen


def test_trials_are_not_searched_for_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0

    def counted(self: JournalStorage, *args: object, **named: object) -> list[FrozenTrial]:
        nonlocal searched
        searched += 1
        return found(self, *args, **named)

    found = JournalStorage.get_all_trials
    monkeypatch.setattr(JournalStorage, "get_all_trials", counted)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=OneWriterJournal(tmp_path / "journal"), sampler=sampler)
    for _ in range(20):
        study.tell(study.ask(), 0.0)
    assert searched <= 2


def test_a_line_is_there_as_soon_as_its_call_has_returned(tmp_path: Path) -> None:
    study = optuna.create_study(storage=OneWriterJournal(tmp_path / "journal"))
    trial = study.ask()
    for step in range(5):
        trial.report(float(step), step)
        again = optuna.load_study(
            study_name=study.study_name, storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
        )
        assert again.trials[0].intermediate_values[step] == step
    study.tell(trial, 1.0)
    assert again.trials[0].intermediate_values == study.trials[0].intermediate_values
    assert not list(tmp_path.glob("journal.*")), "no lock is left behind"


def test_what_this_process_wrote_is_not_read_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    optuna.create_study(storage=OneWriterJournal(path), study_name="study").enqueue_trial({"x": 0.25})
    study = optuna.load_study(storage=OneWriterJournal(path), study_name="study")  # two operations are there
    monkeypatch.setattr(JournalFileBackend, "read_logs", None)
    for number in range(3):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr("both", (1, {"a": None}))
        trial.report(0.5, number)
        study.tell(trial, float(number))
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(0, "late", 1)  # an operation that is written, and refused when it is read
    study.enqueue_trial({"x": 0.75})
    monkeypatch.undo()
    again = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    assert study.trials == again.trials
    assert again.trials[0].user_attrs == {"both": [1, {"a": None}]}
    assert [trial.state.name for trial in again.trials] == ["COMPLETE"] * 3 + ["WAITING"]


@pytest.fixture
def files_end_at() -> Iterator[Callable[[int], None]]:
    """Return what lets no file grow beyond a size: a write then ends in its middle, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("is_report", [True, False])
def test_a_line_that_finds_no_room_leaves_no_part_of_itself(
    is_report: bool, tmp_path: Path, files_end_at: Callable[[int], None]
) -> None:
    path = tmp_path / "optuna.journal"
    study = optuna.create_study(storage=OneWriterJournal(path), study_name="full")
    trial = study.ask()
    files_end_at(path.stat().st_size + 10)
    with pytest.raises(OSError, match="File too large"):
        trial.report(0.5, 1) if is_report else study.tell(trial, 0.5)
    files_end_at(1 << 30)
    assert path.read_bytes().endswith(b"}\n")
    again = optuna.load_study(storage=OneWriterJournal(path), study_name="full")
    again.tell(again.ask(), 0.25)
    assert [each.value for each in again.trials] == [None, 0.25]
