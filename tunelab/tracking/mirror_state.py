"""How far the mirror of a study has come: `mirror.json` in the study's folder, replaced as a whole.

Its writer goes on from it after a kill, the engine waits by it, and `tunelab ui` finds the comparison in it.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

FILE = "mirror.json"


class Stage(StrEnum):
    """What the writer is doing, or how it ended."""

    STARTING = "starting"
    READY = "ready"
    FINISHED = "finished"
    CLOSED = "closed"
    BROKEN = "broken"


@dataclass(slots=True)
class MirrorState:
    """What of the spool is in MLflow.

    Attributes:
        stage: what the writer is doing, or how it ended.
        writer: the writer's process id: a stage that another process wrote says nothing of this one.
        began: when the study began, as the spool says that this state is of, Unix seconds.
        tracking_uri: where, without credentials.
        experiment_id, run_id: MLflow's identifiers of the experiment and of the study's parent run.
        runs: trial number to run identifier.
        open: trials whose runs are not terminated yet.
        epochs: the last epoch that was sent of each trial that may go on: open or interrupted.
        keep: bytes of the spool that need not be read again.
        read: bytes of the spool that were taken.
        refused: what MLflow does not accept, in words.
        registered: where the best trial's model is registered, if it is.
        notes: what is not shown, and the study goes without.
        mended: how much of what its last writer brought in line, as "trial written": 3.
        error: why the writer gave up, where it did.
    """

    stage: Stage = Stage.STARTING
    writer: int = 0
    began: float = 0.0
    tracking_uri: str = ""
    experiment_id: str | None = None
    run_id: str | None = None
    runs: dict[int, str] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    epochs: dict[int, int] = field(default_factory=dict)
    keep: int = 0
    read: int = 0
    refused: list[str] = field(default_factory=list)
    registered: str | None = None
    notes: list[str] = field(default_factory=list)
    mended: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    @classmethod
    def load(cls, folder: Path) -> "MirrorState":
        """Return what `save` wrote into the study's folder; a fresh one where there is nothing, or it is damaged.

        Nothing depends on it: what it says is looked up in MLflow where it is not there.
        """
        try:
            plain = json.loads((folder / FILE).read_bytes())
            return cls(**plain | _restored(plain))
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def of(self, began: float, tracking_uri: str) -> "MirrorState":
        """Return what of this holds for a spool that began then, mirrored there; all of it where nothing changed."""
        if self.tracking_uri not in ("", tracking_uri):
            return MirrorState(began=began, tracking_uri=tracking_uri)
        if self.began != began:  # the spool was lost, and what it said is said again
            runs = dict(self.runs)
            return MirrorState(began=began, tracking_uri=tracking_uri, run_id=self.run_id, runs=runs)
        self.tracking_uri = tracking_uri
        return self

    def mend(self, what: str) -> None:
        """Count something that was brought in line."""
        self.mended[what] = self.mended.get(what, 0) + 1

    def save(self, folder: Path) -> None:
        """Replace the file at once, so that a reader sees the old state or the new; a full disk keeps the old."""
        plain = asdict(self) | {"open": sorted(self.open)}
        fresh = folder / f"{FILE}.new"
        try:
            fresh.write_text(json.dumps(plain))
            os.replace(fresh, folder / FILE)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise


def _restored(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the fields whose types JSON does not know."""
    return {
        "stage": Stage(plain["stage"]),
        "runs": {int(number): run for number, run in plain["runs"].items()},
        "epochs": {int(number): epoch for number, epoch in plain["epochs"].items()},
        "open": set(plain["open"]),
    }
