"""What a study was asked to do, in its folder: enough to go on with it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunelab.errors import StoreError
from tunelab.trial import Limits

STUDY = "study.json"
"""The file's name."""

EXPERIMENT = "experiment.json"
"""The file beside it: what is searched."""


@dataclass(frozen=True)
class StudyFile:
    """The settings of one study.

    Attributes:
        wanted: the experiment as it was given, in JSON; `EXPERIMENT` is what is searched of it.
        source: by which `FILE:NAME` a command line finds it; None for one that was not run from there.
        trials, timeout, seed, population, search, register, workers: as `run` takes them.
        trial_timeout, worker_memory, max_failures: the same, where they were given.
        sampler, pruner: their names; None for an object of the person's own.
        storage: Optuna's URL without its password; None for the journal in the folder.
        finished: it ended as it should.
        joined: the study that this engine joined: it has another's name, and is others' too.
        extends: the earlier study whose trials this one began with.
        data: the fingerprint of the rows that it trains on; None where it has none.
    """

    wanted: str
    source: str | None
    trials: int | None
    timeout: float | None
    seed: int
    population: int | None
    sampler: str | None
    pruner: str | None
    search: str
    register: str | None
    workers: int
    storage: str | None
    finished: bool = False
    joined: str | None = None
    data: str | None = None
    extends: str | None = None
    trial_timeout: float | None = None
    max_failures: int | None = None
    worker_memory: str | None = None

    @property
    def limits(self) -> Limits:
        """What a trial may take."""
        return Limits(self.trial_timeout, self.worker_memory)

    def save(self, folder: Path) -> None:
        """Write it into the study's folder, whole or not at all."""
        fresh = folder / f".{STUDY}"
        fresh.write_text(json.dumps(asdict(self), indent=1))
        os.replace(fresh, folder / STUDY)

    @classmethod
    def load(cls, folder: Path) -> "StudyFile":
        """Return what `save` wrote.

        Raises:
            StoreError: a folder without it, or one in which it is damaged.
        """
        try:
            plain: dict[str, Any] = json.loads((folder / STUDY).read_text())
            return cls(**plain)
        except FileNotFoundError:
            others = sorted(path.parent.name for path in folder.parent.glob(f"*/{STUDY}"))
            known = f"; in {folder.parent} are {', '.join(others[-8:])}" if others else ""
            raise StoreError(f"{folder} is no study's folder: it has no {STUDY}{known}") from None
        except (ValueError, TypeError) as error:
            raise StoreError(f"{folder / STUDY} is damaged ({error}); run the study anew") from error


def optuna_name(folder: Path) -> str:
    """Return the name by which Optuna knows the study of a folder: its own, but where another's was joined."""
    joined = StudyFile.load(folder).joined if (folder / STUDY).exists() else None
    return joined or folder.name
