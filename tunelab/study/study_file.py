"""What a study was asked to do, in its folder: enough to go on with it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tunelab.errors import StoreError, suggestion
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
        """Write it into the study's folder, whole or not at all, also where the machine's power fails."""
        fresh = folder / f".{STUDY}"
        with fresh.open("w") as file:
            file.write(json.dumps(asdict(self), indent=1))
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, folder / STUDY)

    @classmethod
    def load(cls, folder: Path) -> "StudyFile":
        """Return what `save` wrote.

        Raises:
            StoreError: a folder without it, or one in which it is damaged.
        """
        if not os.path.isfile(folder / STUDY):  # which never raises, whatever a person takes for a folder
            raise StoreError(f"{folder} is no study's folder: it has no {STUDY}; {_others(folder)}")
        try:
            text = (folder / STUDY).read_text()
            cls(**json.loads(text))  # no setting that is unknown, none that is missing
            return _FILE.validate_json(text, strict=True)
        except OSError as error:
            raise StoreError(f"{folder / STUDY} cannot be read: {error.strerror}; go on as who ran the study") from None
        except ValidationError as error:
            wrong = error.errors()[0]
            raise StoreError(
                f"{folder / STUDY} is damaged: {wrong['loc'][0]} is {wrong['input']!r} ({wrong['msg']}); put back what "
                "was there, or run the study anew"
            ) from None
        except (ValueError, TypeError) as error:
            raise StoreError(f"{folder / STUDY} is damaged ({error}); run the study anew") from error


_FILE = TypeAdapter(StudyFile)


def _others(folder: Path) -> str:
    """Return which studies there are beside a folder that is none."""
    known = [path.parent.name for path in folder.parent.glob(f"*/{STUDY}")]
    if known:
        return f"in {folder.parent}: {suggestion(folder.name, known)}"
    return f"there are no studies in {folder.parent.absolute()}: run where they are, or say so by --folder"


def searched_json(folder: Path) -> str:
    """Return what a study searches, in JSON.

    Raises:
        StoreError: it is not there, or damaged.
    """
    try:
        text = (folder / EXPERIMENT).read_text()
        json.loads(text)
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / EXPERIMENT} is gone or damaged ({error}); run the study anew") from error
    return text


def optuna_name(folder: Path) -> str:
    """Return the name by which Optuna knows the study of a folder: its own, but where another's was joined."""
    joined = StudyFile.load(folder).joined if (folder / STUDY).exists() else None
    return joined or folder.name
