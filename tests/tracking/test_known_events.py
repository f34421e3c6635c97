"""A study that goes on says again all that it said; its spool takes what is news."""

from pathlib import Path

from told import record

from tunelab.tracking.known_events import KnownEvents
from tunelab.tracking.spool import (
    SPOOL,
    EpochReported,
    Spool,
    StudyBegan,
    StudyClosed,
    TrialEnded,
    TrialStarted,
    encode,
)
from tunelab.trial import Report, State, Trial


def started(number: int) -> TrialStarted:
    return TrialStarted(Trial(number, number, {}), 1.0)


def reported(number: int, epoch: int) -> EpochReported:
    return EpochReported(Report(number, epoch, epoch, {"loss": 0.5}), 1.0)


def ended(number: int, state: State) -> TrialEnded:
    return TrialEnded(number, state, None, None, 1.0)


def spool(folder: Path) -> Path:
    made = Spool(folder / SPOOL)
    for event in (
        started(0), reported(0, 1), reported(0, 2), ended(0, State.COMPLETE),
        started(1), reported(1, 1), ended(1, State.INTERRUPTED),
        started(2), reported(2, 1),
    ):  # fmt: skip
        made.append(event)
    made.close()
    return folder / SPOOL


def test_what_ended_is_not_told_again(tmp_path: Path) -> None:
    known = KnownEvents(spool(tmp_path))
    assert not any(map(known.lacks, (started(0), reported(0, 2), reported(0, 3), ended(0, State.COMPLETE))))


def test_what_was_interrupted_starts_again_and_tells_what_is_new(tmp_path: Path) -> None:
    known = KnownEvents(spool(tmp_path))
    for number in (1, 2):
        assert known.lacks(started(number))
        assert not known.lacks(reported(number, 1))
        assert known.lacks(reported(number, 2))
        assert known.lacks(ended(number, State.PRUNED))


def test_a_new_study_lacks_everything(tmp_path: Path) -> None:
    known = KnownEvents(tmp_path / SPOOL)
    assert all(map(known.lacks, (started(0), reported(0, 1), ended(0, State.FAILED), StudyClosed(1.0))))


def test_a_spool_that_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    begin = encode(StudyBegan(record(tmp_path), "run.py", 1.0))
    for text, damaged in (
        (b"", False),
        (begin, False),
        (begin + encode(started(0)), False),
        (begin + b"torn", False),  # it is dropped
        (begin + b"torn\n" + encode(started(0)), True),
        (encode(started(0)), True),
    ):
        (tmp_path / SPOOL).write_bytes(text)
        assert KnownEvents(tmp_path / SPOOL).damaged is damaged
