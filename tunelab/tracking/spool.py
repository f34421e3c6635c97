"""A study's events as JSON lines in one file: appended by the engine, followed by the mirror's writer.

The file is the mirror's memory. What it holds survives a killed engine, a killed writer and a dead server, and
reading it again gives the same events with the same times. This module is the one owner of their form.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tunelab.trial import DataRecord, Report, State, StudyRecord, Summary, Trial

SPOOL = "spool.jsonl"
"""The file's name, in the study's folder."""

_CHUNK = 1 << 20  # bytes read at once: bounds the memory of whoever follows an old, long spool


@dataclass(frozen=True, slots=True)
class StudyBegan:
    """A study began, or went on after a break; `source` is the program that the engine runs."""

    study: StudyRecord
    source: str
    at: float


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial started to train, or went on after a break."""

    trial: Trial
    at: float


@dataclass(frozen=True, slots=True)
class EpochReported:
    """A trial finished an epoch."""

    report: Report
    at: float


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial ended."""

    trial: int
    state: State
    value: float | None
    reason: str | None
    at: float


@dataclass(frozen=True, slots=True)
class StudyFinished:
    """A study ended as it should."""

    summary: Summary
    at: float


@dataclass(frozen=True, slots=True)
class StudyClosed:
    """A study was left before its end: an exception or an interrupt."""

    at: float


Event = StudyBegan | TrialStarted | EpochReported | TrialEnded | StudyFinished | StudyClosed


@dataclass(frozen=True, slots=True)
class Line:
    """One event and where its line lies: bytes `start` to `stop` of the spool."""

    event: Event
    start: int
    stop: int


class Spool:
    """The engine's end of the file: appends.

    A line is handed to the operating system before `append` returns, so a killed engine loses none. It is not
    forced to the disk, which would cost milliseconds.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        _drop_torn_line(path)

    def append(self, event: Event) -> None:
        """Write one event as one line."""
        self._file.write(encode(event))
        self._file.flush()

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class SpoolReader:
    """The writer's end of the file: follows it from a byte `offset`.

    Attributes:
        offset: where it goes on.
        damaged: lines that a disk has spoiled, and that were left out.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self.offset = offset
        self.damaged = 0

    def read(self) -> list[Line]:
        """Return the complete lines that were not returned yet, a chunk at most; a line in the making waits."""
        while True:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                chunk = _whole_lines(file)
            lines = self._decoded(chunk)
            if lines or not chunk:
                return lines

    def _decoded(self, chunk: bytes) -> list[Line]:
        lines = []
        for text in chunk.split(b"\n")[:-1]:
            stop = self.offset + len(text) + 1
            try:
                lines.append(Line(decode(text), self.offset, stop))
            except (json.JSONDecodeError, UnicodeDecodeError):
                self.damaged += 1
            self.offset = stop
        return lines


def starts_line(spool: Path, offset: int) -> bool:
    """Return whether a line starts there, or may: not beyond the end that a machine which went down has lost."""
    with spool.open("rb") as file:
        file.seek(max(offset - 1, 0))
        return offset == 0 or file.read(1) == b"\n"


def encode(event: Event) -> bytes:
    """Return an event's line; NaN and infinities survive, as Python's JSON spells them.

    >>> encode(TrialEnded(3, State.COMPLETE, 0.5, None, 1.0))
    b'{"event": "end", "trial": 3, "state": "complete", "value": 0.5, "reason": null, "at": 1.0}\\n'
    """
    return json.dumps(_plain(event), default=_scalar).encode() + b"\n"


def _plain(event: Event) -> dict[str, Any]:
    match event:
        case EpochReported(report, at):
            metrics = dict(report.metrics)
            return {
                "event": "report",
                "trial": report.trial,
                "epoch": report.epoch,
                "step": report.step,
                "metrics": metrics,
                "at": at,
            }
        case TrialStarted(trial, at):
            params = dict(trial.params)
            return {"event": "start", "trial": trial.number, "seed": trial.seed, "params": params, "at": at}
        case TrialEnded(trial, state, value, reason, at):
            return {"event": "end", "trial": trial, "state": state, "value": value, "reason": reason, "at": at}
        case StudyBegan(study, source, at):
            return {"event": "begin", "study": _record(study), "source": source, "at": at}
        case StudyFinished(summary, at):
            return {"event": "finish", "summary": _record(summary), "at": at}
        case StudyClosed(at):
            return {"event": "close", "at": at}


def decode(line: bytes) -> Event:
    """Return the event that `encode` made this line of."""
    plain = json.loads(line)
    at = plain["at"]
    match plain["event"]:
        case "report":
            return EpochReported(Report(plain["trial"], plain["epoch"], plain["step"], plain["metrics"]), at)
        case "start":
            return TrialStarted(Trial(plain["trial"], plain["seed"], plain["params"]), at)
        case "end":
            return TrialEnded(plain["trial"], State(plain["state"]), plain["value"], plain["reason"], at)
        case "begin":
            return StudyBegan(_study(plain["study"]), plain["source"], at)
        case "finish":
            return StudyFinished(_summary(plain["summary"]), at)
        case "close":
            return StudyClosed(at)
        case other:
            raise ValueError(f"a spool line of a known kind is required, not {other!r}: is this tunelab older?")


def _record(record: StudyRecord | Summary) -> dict[str, Any]:
    return {name: _path_as_text(value) for name, value in asdict(record).items()}


def _path_as_text(value: object) -> object:
    return str(value.absolute()) if isinstance(value, Path) else value


def _study(plain: dict[str, Any]) -> StudyRecord:
    source, data = plain["source_file"], plain["data"]
    restored = {
        "searched": tuple(plain["searched"]),
        "shared": tuple(plain["shared"]),
        "folder": Path(plain["folder"]),
        "source_file": Path(source) if source else None,
        "data": DataRecord(**data) if data else None,
    }
    return StudyRecord(**{**plain, **restored})


def _summary(plain: dict[str, Any]) -> Summary:
    counts = {State(name): count for name, count in plain["counts"].items()}
    files = {name: Path(plain[name]) for name in ("weights", "program") if plain.get(name)}
    return Summary(**{**plain, "counts": counts, **files})


def _scalar(value: Any) -> object:
    """Return the Python number in a NumPy scalar, which json refuses."""
    return value.item()


def _whole_lines(file: IO[bytes]) -> bytes:
    chunk = file.read(_CHUNK)
    while b"\n" not in chunk and (more := file.read(_CHUNK)):
        chunk += more
    return chunk[: chunk.rfind(b"\n") + 1]


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a killed engine left without its end, so that the next event starts a line."""
    with path.open("r+b") as file:
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
