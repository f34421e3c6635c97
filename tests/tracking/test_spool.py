import math
import time
from pathlib import Path

import pytest
from told import AT, record, summary, trial

from tunelab.tracking.spool import (
    SPOOL,
    EpochReported,
    Event,
    Spool,
    SpoolReader,
    StudyBegan,
    StudyClosed,
    StudyFinished,
    TrialEnded,
    TrialStarted,
    decode,
    encode,
)
from tunelab.trial import Report, State

FOLDER = Path("/studies/digits-1")
EVENTS: list[Event] = [
    StudyBegan(record(FOLDER, source_file=Path("/digits.py")), "run.py", AT),
    StudyBegan(record(FOLDER, data=None), "", AT),
    TrialStarted(trial(3), AT),
    EpochReported(Report(3, 1, 20, {"loss": math.inf, "gain": -math.inf}), AT + 0.123456789),
    TrialEnded(3, State.DIVERGED, None, 'the loss is not finite: "nan"\nand more', AT),
    StudyFinished(summary(weights=FOLDER / "best.safetensors", program=FOLDER / "best.pt2", register="digits"), AT),
    StudyFinished(summary((State.FAILED,)), AT),
    StudyClosed(AT),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    assert decode(encode(event)) == event
    assert encode(event).count(b"\n") == 1


def test_nan_survives_its_line() -> None:
    event = decode(encode(EpochReported(Report(0, 1, 1, {"loss": math.nan}), AT)))
    assert isinstance(event, EpochReported)
    assert math.isnan(event.report.metrics["loss"])


def test_a_reader_follows_and_can_start_anywhere(tmp_path: Path) -> None:
    spool = Spool(tmp_path / SPOOL)
    reader = SpoolReader(tmp_path / SPOOL)
    assert reader.read() == []
    spool.append(EVENTS[2])
    (line,) = reader.read()
    assert line.event == EVENTS[2]
    spool.append(EVENTS[3])
    spool.append(EVENTS[4])
    spool.close()
    assert [line.event for line in reader.read()] == EVENTS[3:5]
    assert [line.event for line in SpoolReader(tmp_path / SPOOL, line.stop).read()] == EVENTS[3:5]
    assert reader.read() == []


def test_a_line_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    event = StudyBegan(record(FOLDER, experiment_json="x" * 3_000_000), "", AT)
    spool = Spool(tmp_path / SPOOL)
    spool.append(event)
    spool.close()
    assert [line.event for line in SpoolReader(tmp_path / SPOOL).read()] == [event]


def test_a_torn_line_waits_and_is_dropped_by_the_next_engine(tmp_path: Path) -> None:
    spool = Spool(tmp_path / SPOOL)
    spool.append(EVENTS[2])
    spool.close()
    with (tmp_path / SPOOL).open("ab") as file:
        file.write(b'{"event": "rep')
    reader = SpoolReader(tmp_path / SPOOL)
    assert len(reader.read()) == 1
    assert reader.read() == []
    resumed = Spool(tmp_path / SPOOL)
    resumed.append(EVENTS[4])
    resumed.close()
    assert [line.event for line in reader.read()] == [EVENTS[4]]


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path) -> None:
    whole = [encode(event) for event in EVENTS[2:5]]
    (tmp_path / SPOOL).write_bytes(whole[0] + b"\0" * 50 + b"\n" + whole[1] + b'{"event": \xff\n' + whole[2])
    reader = SpoolReader(tmp_path / SPOOL)
    lines = reader.read()
    assert [line.event for line in lines] == EVENTS[2:5]
    assert reader.damaged == 2
    assert [line.event for line in SpoolReader(tmp_path / SPOOL, lines[1].start).read()] == EVENTS[3:5]
    assert reader.read() == []


def test_a_chunk_that_is_all_damaged_does_not_end_the_spool(tmp_path: Path) -> None:
    (tmp_path / SPOOL).write_bytes(b"x" * 1_500_000 + b"\n" + encode(EVENTS[2]))
    assert [line.event for line in SpoolReader(tmp_path / SPOOL).read()] == [EVENTS[2]]


def test_an_unknown_event_is_named() -> None:
    with pytest.raises(ValueError, match="'dance'"):
        decode(b'{"event": "dance", "at": 1.0}')


def test_appending_costs_microseconds(tmp_path: Path) -> None:
    """The engine tells of every epoch of every member: 0.01-0.02 ms each when quiet."""
    spool = Spool(tmp_path / SPOOL)
    event = EpochReported(Report(3, 1, 20, dict.fromkeys("abcde", 0.123456789)), AT)
    began = time.process_time()
    for _ in range(1000):
        spool.append(event)
    assert time.process_time() - began < 0.1
    spool.close()
